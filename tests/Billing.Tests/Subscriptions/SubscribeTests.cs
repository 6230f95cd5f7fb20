using Billing.Customers;
using Billing.Menus;
using Billing.Subscriptions;
using static Billing.Tests.Some;

namespace Billing.Tests.Subscriptions;

public sealed class SubscribeTests
{
    private static readonly CustomerState Acme = new CustomerState.Known(Currency.Parse("USD"), "acme", Jan1);
    private static readonly MenuState Spring = new MenuState.Received(Terms());
    private static readonly Subscribe Command = new(Customer, Menu, Small, Acme, Spring, Jan1);
    private static readonly SubscriptionStarted Started = new(Customer, Menu, Small, Jan1);

    private static Scenario<SubscriptionState, SubscriptionEvent> Scenario => new(SubscriptionState.Initial, SubscriptionState.Evolve);

    private static Decision<CustomerEvent> Create(string currency, string reference, CustomerState s) => CreateCustomerDecision.Decide(new(currency, reference, Jan1), s);

    [Fact]
    public void A_customer_is_created_once_and_not_changed()
    {
        var scenario = () => new Scenario<CustomerState, CustomerEvent>(CustomerState.Initial, CustomerState.Evolve);
        var created = new CustomerCreated(Currency.Parse("USD"), "acme", Jan1);
        scenario().When(s => Create("USD", "acme", s)).Then(created);
        scenario().Given(created).When(s => Create("EUR", "acme", s)).ThenRefused("customer_exists");
        scenario().When(s => Create("usd", "acme", s)).ThenRefused("currency_unknown");
        scenario().When(s => Create("USD", new string('ä', 65), s)).ThenRefused("reference_too_long");
    }

    [Fact]
    public void A_subscription_starts_now() => Scenario.When(s => SubscribeDecision.Decide(Command, s)).Then(Started);

    public static TheoryData<string, Subscribe> Refused => new()
    {
        { "customer_unknown", Command with { Customer = CustomerState.Initial } },
        { "menu_unknown", Command with { Menu = MenuState.Initial } },
        { "plan_unknown", Command with { PlanId = Ids.Derive(Ids.Plan, Jan1, "other") } },
        { "currency_mismatch", Command with { Customer = new CustomerState.Known(Currency.Parse("EUR"), "acme", Jan1) } },
    };

    [Theory, MemberData(nameof(Refused))]
    public void What_cannot_be_billed_is_refused(string code, Subscribe command) => Scenario.When(s => SubscribeDecision.Decide(command, s)).ThenRefused(code);

    [Fact]
    public void An_id_that_is_taken_is_not_taken_over() =>
        Scenario.Given(Started).When(s => SubscribeDecision.Decide(Command with { PlanId = Metered }, s)).ThenRefused("subscription_exists");

    [Fact]
    public void A_period_does_not_turn_before_its_end() =>
        Scenario.Given(Started).When(s => TurnPeriodDecision.Decide(new(Feb1.AddTicks(-1)), s)).ThenNothing();

    [Fact]
    public void A_period_turns_at_its_end() =>
        Scenario.Given(Started).When(s => TurnPeriodDecision.Decide(new(Feb1), s)).Then(new SubscriptionPeriodTurned(1, Feb1));

    [Fact]
    public void A_long_step_turns_every_period_in_order() => Scenario.Given(Started).When(s => TurnPeriodDecision.Decide(new(Mar1.AddDays(1)), s))
        .Then(new SubscriptionPeriodTurned(1, Mar1.AddDays(1)), new SubscriptionPeriodTurned(2, Mar1.AddDays(1)));

    [Fact]
    public void A_snapshot_names_the_current_period_and_the_next_and_its_version_counts_the_events()
    {
        var state = (SubscriptionState.Active)new SubscriptionEvent[] { Started, new SubscriptionPeriodTurned(1, Feb1) }.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);
        var snapshot = SubscriptionSnapshot.Of(Subscription, state, Terms());
        Assert.Equal((2L, February, 1, 2), (snapshot.Version, snapshot.CurrentPeriod.PeriodId, snapshot.CurrentPeriod.Number, snapshot.NextPeriod.Number));
        Assert.Equal(snapshot.CurrentPeriod.End, snapshot.NextPeriod.Start);
    }

    [Fact]
    public void A_subscription_from_the_31st_meets_the_ends_of_short_months()
    {
        var state = new SubscriptionState.Active(Customer, Menu, Small, Jan1.AddDays(30), 0, Jan1, 1);
        Assert.Equal([31, 28, 31, 30], Enumerable.Range(0, 4).Select(n => state.Span(n).Start.Day));
    }
}
