using Billing.Menus;
using static Billing.Tests.Some;

namespace Billing.Tests.Menus;

public sealed class ReceiveMenuTests
{
    private static Scenario<MenuState, MenuEvent> Scenario => new(MenuState.Initial, MenuState.Evolve);

    private static MenuTermsReceived Received(MenuTerms t) => new(t.MenuId, t.Name, t.Currency, t.ConversationsPerPeriod, t.Plans, t.Models, t.PublishedAt);

    [Fact]
    public void A_menu_is_kept_as_it_was_received() =>
        Scenario.When(s => ReceiveMenuDecision.Decide(new(Terms()), s)).Then(Received(Terms()));

    [Fact]
    public void B5_the_same_menu_again_changes_nothing() =>
        Scenario.Given(Received(Terms())).When(s => ReceiveMenuDecision.Decide(new(Terms()), s)).ThenNothing();

    [Fact]
    public void A_menu_that_changed_is_refused() =>
        Scenario.Given(Received(Terms())).When(s => ReceiveMenuDecision.Decide(new(Terms() with { Name = "Summer" }), s)).ThenRefused("menu_changed");

    private static readonly MenuWithdrawn Withdrawn = new(Menu, "a better one is on sale", Jan1.AddDays(9));

    private static Decision<MenuEvent> Withdraw(MenuState s) => WithdrawMenuDecision.Decide(new(Menu, Withdrawn.Reason, Withdrawn.At), s);

    [Fact]
    public void A_menu_goes_off_sale_once_and_keeps_its_terms()
    {
        Scenario.Given(Received(Terms())).When(Withdraw).Then(Withdrawn);
        Scenario.Given(Received(Terms()), Withdrawn).When(Withdraw).ThenNothing();
        Assert.Equal(new MenuState.Received(Terms(), new(Withdrawn.Reason, Withdrawn.At)), new MenuEvent[] { Received(Terms()), Withdrawn }.Aggregate(MenuState.Initial, MenuState.Evolve));
    }

    [Fact]
    public void B6_that_a_menu_is_off_sale_may_be_heard_before_its_terms()
    {
        Scenario.When(Withdraw).Then(Withdrawn);
        Scenario.Given(Withdrawn).When(Withdraw).ThenNothing();
        Scenario.Given(Withdrawn).When(s => ReceiveMenuDecision.Decide(new(Terms()), s)).Then(Received(Terms()));
        Scenario.Given(Withdrawn, Received(Terms())).When(s => ReceiveMenuDecision.Decide(new(Terms()), s)).ThenNothing();
        Assert.Equal(
            new MenuEvent[] { Received(Terms()), Withdrawn }.Aggregate(MenuState.Initial, MenuState.Evolve),
            new MenuEvent[] { Withdrawn, Received(Terms()) }.Aggregate(MenuState.Initial, MenuState.Evolve));
    }

    public static TheoryData<string, PlanTerms> Unrateable => new()
    {
        { "negative fee", Terms().Plans[0] with { PeriodFeeMicros = new(-1) } },
        { "negative cap", Terms().Plans[0] with { Caps = [Cap.Hard(CapWindow.Conversation, -1)] } },
        { "billed cap over a conversation", Terms().Plans[1] with { Caps = [new(CapWindow.Conversation, 1, Cap.GeneratedTokens, CapEnforcement.Billed)] } },
        { "no price for a billed kind", Terms().Plans[1] with { Overage = [new(TokenKind.Output, UnitPrice.Parse("1"))] } },
        { "two prices for a kind", Terms().Plans[1] with { Overage = [.. Terms().Plans[1].Overage, new(TokenKind.Output, UnitPrice.Parse("1"))] } },
        { "a kind in two billed caps", Terms().Plans[1] with { Caps = [.. Terms().Plans[1].Caps, .. Terms().Plans[1].Caps] } },
        { "billed overrun", Terms().Plans[1] with { Caps = [new(CapWindow.BillingPeriod, 1, [TokenKind.Overrun], CapEnforcement.Billed)], Overage = [new(TokenKind.Overrun, default)] } },
    };

    [Theory, MemberData(nameof(Unrateable))]
    public void A_menu_that_no_invoice_could_be_made_from_is_refused(string why, PlanTerms plan)
    {
        _ = why;
        Scenario.When(s => ReceiveMenuDecision.Decide(new(Terms() with { Plans = [plan] }), s)).ThenRefused("menu_not_rateable");
    }

    [Fact]
    public void A_menu_without_plans_is_refused() =>
        Scenario.When(s => ReceiveMenuDecision.Decide(new(Terms() with { Plans = [] }), s)).ThenRefused("menu_not_rateable");
}
