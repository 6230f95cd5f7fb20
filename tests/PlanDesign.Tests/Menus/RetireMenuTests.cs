using System.Diagnostics;
using PlanDesign.Menus;
using static PlanDesign.Tests.Menus.MenuScenarios;

namespace PlanDesign.Tests.Menus;

public class RetireMenuTests
{
    private static Decision<MenuEvent> Retire(MenuState s) => RetireMenuDecision.Decide(new(MenuId, "ada", "a new menu earns more", Jan1.AddHours(2)), s);

    [Fact]
    public void A_published_menu_is_retired() => AMenu.Given([.. Solved(), Published]).When(Retire).Then(Retired);

    [Fact]
    public void A_retired_menu_is_not_retired_again() => AMenu.Given([.. Solved(), Published, Retired]).When(Retire).ThenNothing();

    [Fact]
    public void A_draft_that_nobody_will_publish_is_discarded() => AMenu.Given(Solved()).When(Retire).Then(Discarded);

    [Fact]
    public void A_discarded_draft_is_not_discarded_again() => AMenu.Given([.. Solved(), Discarded]).When(Retire).ThenNothing();

    [Fact]
    public void A_discarded_draft_is_not_published() =>
        AMenu.Given([.. Solved(), Discarded]).When(s => PublishMenuDecision.Decide(new(MenuId, "ada", Jan1.AddHours(3), () => Signature), s)).ThenRefused("menu_retired");

    [Fact]
    public void A_draft_without_a_solution_is_not_retired() => AMenu.Given([Solved()[0]]).When(Retire).ThenRefused("menu_not_solved");

    [Fact]
    public void A_menu_that_does_not_exist_is_not_retired() => AMenu.When(Retire).ThenRefused("menu_not_found");

    [Theory, InlineData("", "why"), InlineData("ada", "")]
    public void Somebody_retires_a_menu_for_a_reason(string actor, string reason) =>
        AMenu.Given([.. Solved(), Published]).When(s => RetireMenuDecision.Decide(new(MenuId, actor, reason, Jan1), s)).ThenRefused("menu_invalid");

    [Fact]
    public void An_impossible_history_is_not_folded() =>
        Assert.Throws<UnreachableException>(() => MenuState.Evolve(MenuState.Initial, Published));
}
