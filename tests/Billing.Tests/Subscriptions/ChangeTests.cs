using Billing.Customers;
using Billing.Menus;
using Billing.Subscriptions;
using static Billing.Tests.Some;

namespace Billing.Tests.Subscriptions;

/// <summary>Every command on a running subscription: what it makes of each state, and that it changes nothing when repeated (B5: Scenario.Then decides twice).</summary>
public sealed class ChangeTests
{
    private static readonly DateTimeOffset Jan10 = Jan1.AddDays(9), TrialEnd = Jan1.AddDays(14);
    private static readonly string Summer = Ids.Derive(Ids.Menu, Jan1, "summer"), Large = Ids.Derive(Ids.Plan, Jan1, "large");
    private static readonly SubscriptionStarted Started = new(Customer, Menu, Small, Jan1);
    private static readonly SubscriptionStarted Trial = Started with { TrialEnd = TrialEnd };
    private static readonly SubscriptionPlanChangeScheduled ToMetered = new(Menu, Metered, Feb1, Jan10);
    private static readonly SubscriptionCancellationScheduled Ending = new(Feb1, Jan10);
    private static readonly SubscriptionCancelled Over = new(Jan10, Jan10);

    private static Scenario<SubscriptionState, SubscriptionEvent> Scenario => new(SubscriptionState.Initial, SubscriptionState.Evolve);

    private static Decision<SubscriptionEvent> Change(string plan, EffectiveTime when, SubscriptionState s, DateTimeOffset? at = null) =>
        ChangePlanDecision.Decide(new(plan, when, Book(), at ?? Jan10), s);

    private static Decision<SubscriptionEvent> Cancel(EffectiveTime when, SubscriptionState s) => CancelSubscriptionDecision.Decide(new(when, Jan10), s);
    private static Decision<SubscriptionEvent> Activate(SubscriptionState s) => ActivateSubscriptionDecision.Decide(new(Jan10), s);
    private static Decision<SubscriptionEvent> Withdraw(SubscriptionState s) => WithdrawScheduledChangeDecision.Decide(new(Jan10), s);

    private static Decision<SubscriptionEvent> Migrate(SubscriptionState s, string? menu = null, string? plan = null, string currency = "USD") => MigrateSubscriptionDecision.Decide(
        new(menu ?? Summer, plan ?? Large, new MenuState.Received(Terms(currency) with { MenuId = Summer, Plans = [Terms().Plans[0] with { PlanId = Large }] }),
            new CustomerState.Known(Currency.Parse("USD"), "acme", Jan1), Jan10), s);

    [Fact]
    public void A_plan_changes_now() =>
        Scenario.Given(Started).When(s => Change(Metered, EffectiveTime.Now, s)).Then(new SubscriptionPlanChanged(Menu, Metered, Jan10, Jan10));

    [Fact]
    public void What_was_due_before_an_order_is_not_the_orderers()
    {
        var by = new Attribution("ada", "upgrade");
        var state = SubscriptionState.Evolve(SubscriptionState.Initial, Started);
        var events = ChangePlanDecision.Decide(new(Metered, EffectiveTime.Now, Book(), Feb1, by), state).Events;
        Assert.Equal([null, by], events.Select(e => e.By));
        Assert.IsType<SubscriptionPeriodTurned>(events[0]);
    }

    [Fact]
    public void A_plan_changes_at_the_end_of_the_period() => Scenario.Given(Started).When(s => Change(Metered, EffectiveTime.PeriodEnd, s)).Then(ToMetered);

    [Fact]
    public void A_change_now_takes_the_place_of_a_scheduled_one()
    {
        Scenario.Given(Started, ToMetered).When(s => Change(Metered, EffectiveTime.Now, s)).Then(new SubscriptionPlanChanged(Menu, Metered, Jan10, Jan10));
        Assert.Null(((SubscriptionState.Known)new SubscriptionEvent[] { Started, ToMetered, new SubscriptionPlanChanged(Menu, Metered, Jan10, Jan10) }
            .Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve)).Scheduled);
    }

    [Fact]
    public void To_schedule_the_plan_that_holds_withdraws_what_was_scheduled() =>
        Scenario.Given(Started, ToMetered).When(s => Change(Small, EffectiveTime.PeriodEnd, s)).Then(new SubscriptionScheduleWithdrawn(Jan10));

    [Fact]
    public void To_order_what_holds_withdraws_what_was_scheduled_however_it_is_ordered()
    {
        foreach (var scheduled in new[] { ToMetered, new SubscriptionPlanChangeScheduled(Summer, Large, Feb1, Jan10) })
            foreach (var order in new Func<SubscriptionState, Decision<SubscriptionEvent>>[] { s => Change(Small, EffectiveTime.Now, s), s => Change(Small, EffectiveTime.PeriodEnd, s), s => Migrate(s, Menu, Small) })
            {
                Scenario.Given(Started, scheduled).When(order).Then(new SubscriptionScheduleWithdrawn(Jan10));
                Scenario.Given(Started).When(order).ThenNothing();
                Scenario.Given(Started, Ending).When(order).ThenRefused("cancellation_scheduled");
            }
    }

    [Fact]
    public void The_plan_that_holds_is_no_change() => Scenario.Given(Started).When(s => Change(Small, EffectiveTime.Now, s)).ThenNothing();

    [Fact]
    public void A_change_meets_a_subscription_that_has_caught_up_with_the_clock() => Scenario.Given(Started, ToMetered).When(s => Change(Small, EffectiveTime.Now, s, Feb1.AddDays(1))).Then(
        new SubscriptionPeriodTurned(1, Feb1.AddDays(1)), new SubscriptionPlanChanged(Menu, Metered, Feb1, Feb1.AddDays(1)), new SubscriptionPlanChanged(Menu, Small, Feb1.AddDays(1), Feb1.AddDays(1)));

    [Fact]
    public void A_clock_that_is_behind_does_not_reach_back_into_a_period_that_has_turned() => Scenario.Given(Started, new SubscriptionPeriodTurned(1, Feb1))
        .When(s => Change(Metered, EffectiveTime.Now, s, Feb1.AddMilliseconds(-5))).Then(new SubscriptionPlanChanged(Menu, Metered, Feb1, Feb1));

    [Fact]
    public void A_subscription_is_cancelled_now_or_at_the_end_of_its_period()
    {
        Scenario.Given(Started).When(s => Cancel(EffectiveTime.Now, s)).Then(Over);
        Scenario.Given(Started).When(s => Cancel(EffectiveTime.PeriodEnd, s)).Then(Ending);
        Scenario.Given(Started, ToMetered).When(s => Cancel(EffectiveTime.PeriodEnd, s)).Then(Ending);
        Scenario.Given(Started, Ending).When(s => Cancel(EffectiveTime.Now, s)).Then(Over);
    }

    [Fact]
    public void A_trial_is_cancelled_at_its_end_and_costs_nothing() =>
        Scenario.Given(Trial).When(s => Cancel(EffectiveTime.PeriodEnd, s)).Then(new SubscriptionCancellationScheduled(TrialEnd, Jan10));

    [Fact]
    public void A_trial_is_activated_before_its_end()
    {
        Scenario.Given(Trial).When(Activate).Then(new SubscriptionActivated(Jan10, Jan10));
        Scenario.Given(Started).When(Activate).ThenNothing();
    }

    [Fact]
    public void A_migration_takes_effect_with_the_next_period()
    {
        Scenario.Given(Started).When(s => Migrate(s)).Then(new SubscriptionPlanChangeScheduled(Summer, Large, Feb1, Jan10));
        Scenario.Given(Started, new SubscriptionPlanChanged(Summer, Large, Jan1, Jan1)).When(s => Migrate(s)).ThenNothing();
    }

    [Fact]
    public void A_menu_off_sale_is_kept_and_turned_with_but_sells_no_other_plan()
    {
        Decision<SubscriptionEvent> Off(string plan, EffectiveTime when, SubscriptionState s, DateTimeOffset? at = null) => ChangePlanDecision.Decide(
            new(plan, when, Book(), at ?? Jan10) { Withdrawn = new Dictionary<string, MenuWithdrawal> { [Menu] = new("a better one is on sale", Jan10) } }, s);
        Scenario.Given(Started).When(s => Off(Metered, EffectiveTime.Now, s)).ThenRefused("menu_retired");
        Scenario.Given(Started).When(s => Off(Metered, EffectiveTime.PeriodEnd, s)).ThenRefused("menu_retired");
        // The plan one has stays, and so does what was agreed while the menu was on sale, or is taken back.
        Scenario.Given(Started).When(s => Off(Small, EffectiveTime.Now, s)).ThenNothing();
        Scenario.Given(Started, ToMetered).When(s => Off(Metered, EffectiveTime.PeriodEnd, s)).ThenNothing();
        Scenario.Given(Started, ToMetered).When(s => Off(Small, EffectiveTime.PeriodEnd, s)).Then(new SubscriptionScheduleWithdrawn(Jan10));
        Scenario.Given(Started, ToMetered).When(s => Off(Small, EffectiveTime.Now, s)).Then(new SubscriptionScheduleWithdrawn(Jan10));
        Scenario.Given(Started, ToMetered).When(s => CatchUpDecision.Decide(new(Feb1), s)).Then(new SubscriptionPeriodTurned(1, Feb1), new SubscriptionPlanChanged(Menu, Metered, Feb1, Feb1));
        Scenario.Given(Started).When(s => Cancel(EffectiveTime.PeriodEnd, s)).Then(Ending);
    }

    [Fact]
    public void Nobody_moves_to_a_menu_off_sale_unless_it_was_agreed_before()
    {
        Decision<SubscriptionEvent> To(MenuState menu, SubscriptionState s) =>
            MigrateSubscriptionDecision.Decide(new(Summer, Large, menu, new CustomerState.Known(Currency.Parse("USD"), "acme", Jan1), Jan10), s);
        var off = new MenuState.Received(Terms() with { MenuId = Summer, Plans = [Terms().Plans[0] with { PlanId = Large }] }, new("old", Jan10));
        Scenario.Given(Started).When(s => To(off, s)).ThenRefused("menu_retired");
        Scenario.Given(Started).When(s => To(new MenuState.WithdrawnUnread(off.Withdrawal!), s)).ThenRefused("menu_retired");
        Scenario.Given(Started, new SubscriptionPlanChangeScheduled(Summer, Large, Feb1, Jan1)).When(s => To(off, s)).ThenNothing();
    }

    [Fact]
    public void What_was_scheduled_can_be_withdrawn()
    {
        Scenario.Given(Started, Ending).When(Withdraw).Then(new SubscriptionScheduleWithdrawn(Jan10));
        Scenario.Given(Started).When(Withdraw).ThenNothing();
    }

    public static TheoryData<string, SubscriptionEvent[], string> Refused => new()
    {
        { "change", [], "subscription_unknown" },
        { "cancel", [], "subscription_unknown" },
        { "change", [Started, Over], "subscription_cancelled" },
        { "migrate", [Started, Over], "subscription_cancelled" },
        { "activate", [Trial, Over], "subscription_cancelled" },
        { "withdraw", [Started, Over], "subscription_cancelled" },
        { "change", [Started, Ending], "cancellation_scheduled" },
        { "migrate", [Started, Ending], "cancellation_scheduled" },
        { "activate", [Trial, new SubscriptionCancellationScheduled(TrialEnd, Jan1)], "cancellation_scheduled" },
        { "change to another menu's plan", [Started], "plan_unknown" },
        { "migrate to a plan not on it", [Started], "plan_unknown" },
        { "migrate to the same menu", [Started], "menu_is_current" },
        { "migrate to another currency", [Started], "currency_mismatch" },
    };

    [Theory, MemberData(nameof(Refused))]
    public void What_cannot_be_is_refused_by_name(string what, SubscriptionEvent[] history, string code) => Scenario.Given(history).When(s => what switch
    {
        "change" => Change(Metered, EffectiveTime.Now, s),
        "cancel" => Cancel(EffectiveTime.Now, s),
        "migrate" => Migrate(s),
        "activate" => Activate(s),
        "withdraw" => Withdraw(s),
        "change to another menu's plan" => Change(Large, EffectiveTime.Now, s),
        "migrate to a plan not on it" => Migrate(s, plan: Metered),
        "migrate to the same menu" => Migrate(s, menu: Menu, plan: Metered),
        _ => Migrate(s, currency: "EUR"),
    }).ThenRefused(code);
}
