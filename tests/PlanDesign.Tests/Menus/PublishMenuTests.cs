using PlanDesign.Menus;
using static PlanDesign.Tests.Menus.MenuScenarios;

namespace PlanDesign.Tests.Menus;

public class PublishMenuTests
{
    private static Decision<MenuEvent> Publish(MenuState s) => PublishMenuDecision.Decide(new(MenuId, "ada", Jan1.AddHours(1), () => Signature), s);

    [Fact]
    public void A_solved_menu_is_published() => AMenu.Given(Solved()).When(Publish).Then(Published);

    [Fact]
    public void A_published_menu_is_not_published_again() => AMenu.Given([.. Solved(), Published]).When(Publish).ThenNothing();

    [Fact]
    public void A_menu_without_plans_is_not_published() => AMenu.Given(Solved(NotWorthServing)).When(Publish).ThenRefused("menu_empty");

    [Fact]
    public void A_menu_whose_certificate_does_not_hold_is_not_published() =>
        AMenu.Given(Solved()[0], (MenuSolved)Solved()[1] with { ExitReason = "not_certified" }).When(Publish).ThenRefused("menu_not_certified");

    [Fact]
    public void A_draft_without_a_solution_is_not_published() => AMenu.Given(Solved()[0]).When(Publish).ThenRefused("menu_not_solved");

    [Fact]
    public void A_menu_that_does_not_exist_is_not_published() => AMenu.When(Publish).ThenRefused("menu_not_found");

    [Fact]
    public void A_retired_menu_does_not_come_back() => AMenu.Given([.. Solved(), Published, Retired]).When(Publish).ThenRefused("menu_retired");

    [Fact]
    public void Somebody_publishes_a_menu() =>
        AMenu.Given(Solved()).When(s => PublishMenuDecision.Decide(new(MenuId, "", Jan1, () => Signature), s)).ThenRefused("menu_invalid");

    [Fact]
    public void A_menu_is_not_published_unsigned() =>
        AMenu.Given(Solved()).When(s => PublishMenuDecision.Decide(new(MenuId, "ada", Jan1, null), s)).ThenRefused("signing_key_missing");
}
