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

    [Fact]
    public void A_subscription_starts_now() => Scenario.When(s => SubscribeDecision.Decide(Command, s)).Then(Started);

    [Fact]
    public void A_trial_ends_after_whole_days() =>
        Scenario.When(s => SubscribeDecision.Decide(Command with { TrialDays = 14 }, s)).Then(Started with { TrialEnd = Jan1.AddDays(14) });

    [Fact]
    public void An_anchor_is_stored_with_the_boundaries_it_gives_by_the_rules_of_the_day() =>
        Scenario.When(s => SubscribeDecision.Decide(Command with { AnchorDay = 15, TimeZone = "Europe/Berlin" }, s)).Then(Started with
        {
            Calendar = new(new(15, "Europe/Berlin"), Utc(2025, 12, 14, 23), Utc(2026, 1, 14, 23), Utc(2026, 2, 14, 23)),
        });

    [Fact]
    public void The_time_zone_of_the_customer_holds_unless_another_is_given()
    {
        var inTokyo = Command with { Customer = new CustomerState.Known(Currency.Parse("USD"), "acme", Jan1, "Asia/Tokyo") };
        // It is nine o'clock on the first of January in Tokyo: the day of the start begins a whole period.
        Scenario.When(s => SubscribeDecision.Decide(inTokyo, s)).Then(Started with { Calendar = new(new(1, "Asia/Tokyo"), Jan1, Utc(2026, 1, 31, 15), Utc(2026, 2, 28, 15)) });
    }

    [Fact]
    public void B5_a_repeated_start_changes_nothing_even_after_the_plan_changed() =>
        Scenario.Given(Started, new SubscriptionPlanChanged(Menu, Metered, Jan1.AddDays(3), Jan1.AddDays(3))).When(s => SubscribeDecision.Decide(Command, s)).ThenNothing();

    [Fact]
    public void B5_a_start_that_is_repeated_after_the_menu_went_off_sale_still_means_the_start() => Scenario.Given(Started)
        .When(s => SubscribeDecision.Decide(Command with { Menu = new MenuState.Received(Terms(), new("old", Jan1.AddDays(3))) }, s)).ThenNothing();

    private static DateTimeOffset Utc(int year, int month, int day, int hour) => new(year, month, day, hour, 0, 0, TimeSpan.Zero);

    public static TheoryData<string, Subscribe> Refused => new()
    {
        { "customer_unknown", Command with { Customer = CustomerState.Initial } },
        { "menu_unknown", Command with { Menu = MenuState.Initial } },
        { "plan_unknown", Command with { PlanId = Ids.Derive(Ids.Plan, Jan1, "other") } },
        { "menu_retired", Command with { Menu = new MenuState.Received(Terms(), new("old", Jan1)) } },
        { "menu_retired", Command with { Menu = new MenuState.WithdrawnUnread(new("old", Jan1)) } },
        { "customer_erased", Command with { Customer = new CustomerState.Known(Currency.Parse("USD"), "acme", Jan1, ErasedAt: Jan1) } },
        { "anchor_out_of_range", Command with { AnchorDay = 32 } },
        { "time_zone_unknown", Command with { TimeZone = "Europe/Atlantis" } },
        { "trial_out_of_range", Command with { TrialDays = 367 } },
        { "currency_mismatch", Command with { Customer = new CustomerState.Known(Currency.Parse("EUR"), "acme", Jan1) } },
    };

    [Theory, MemberData(nameof(Refused))]
    public void What_cannot_be_billed_is_refused(string code, Subscribe command) => Scenario.When(s => SubscribeDecision.Decide(command, s)).ThenRefused(code);

    [Fact]
    public void An_id_that_is_taken_is_not_taken_over() =>
        Scenario.Given(Started).When(s => SubscribeDecision.Decide(Command with { PlanId = Metered }, s)).ThenRefused("subscription_exists");
}
