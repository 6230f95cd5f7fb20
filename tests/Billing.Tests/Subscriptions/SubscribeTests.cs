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

    public static TheoryData<string, string, DateTimeOffset> Paid => new()
    {
        { "2026-01-15", "Europe/Berlin", Utc(2026, 1, 14, 23) },
        { "2026-04-15", "Europe/Berlin", Utc(2026, 4, 14, 22) },
        { "2026-01-15", "", Utc(2026, 1, 15, 0) },
        // Clocks in Cairo skip the first hour of that day: it begins with the skip.
        { "2026-04-24", "Africa/Cairo", Utc(2026, 4, 23, 22) },
    };

    [Theory, MemberData(nameof(Paid))]
    public void What_was_paid_elsewhere_ends_when_the_day_begins_by_the_customers_clocks(string day, string zone, DateTimeOffset end)
    {
        var started = SubscribeDecision.Decide(Command with { At = Jan1.AddHours(9.7), PaidUntil = DateOnly.Parse(day, System.Globalization.CultureInfo.InvariantCulture), TimeZone = zone, AnchorDay = 15 }, SubscriptionState.Initial);
        Assert.Equal(end, ((SubscriptionStarted)started.Events.Single()).TrialEnd);
    }

    /// <summary>The anchor is the day until which it is paid: nothing of the first period is charged, and all of the second.</summary>
    [Fact]
    public void The_first_period_that_is_paid_here_begins_where_the_paid_time_ends()
    {
        var state = SubscribeDecision.Decide(Command with { At = Jan1.AddHours(9.7), PaidUntil = new(2026, 1, 15), TimeZone = "Europe/Berlin", AnchorDay = 15 }, SubscriptionState.Initial)
            .Events.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);
        var known = (SubscriptionState.Known)state;
        Assert.Equal((known.Current.End, SubscriptionStatus.Trialing), (known.TrialEnd, known.Status));
        var after = (SubscriptionState.Known)CatchUpDecision.Decide(new(Utc(2026, 1, 14, 23)), state).Events.Aggregate(state, SubscriptionState.Evolve);
        Assert.Equal((SubscriptionStatus.Active, 1, Utc(2026, 1, 14, 23), Utc(2026, 2, 14, 23)), (after.Status, after.CurrentPeriod, after.Current.Start, after.Current.End));
    }

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

    public static TheoryData<string, Subscribe> Others => new()
    {
        { "its periods turn on day 15 of the month", Whole with { AnchorDay = 16 } },
        { "its periods turn on day 15 of the month", Whole with { AnchorDay = 0 } },
        { "its periods turn in Europe/Berlin", Whole with { TimeZone = "Europe/Vienna" } },
        { "its trial ends 2026-01-08 00:00:00", Whole with { TrialDays = 8 } },
        { "its trial ends 2026-01-08 00:00:00", Whole with { TrialDays = 0 } },
        { "its trial ends 2026-01-08 00:00:00", Whole with { TrialDays = 0, PaidUntil = new(2026, 1, 8) } },
    };

    private static Subscribe Whole => Command with { AnchorDay = 15, TimeZone = "Europe/Berlin", TrialDays = 7 };

    [Theory, MemberData(nameof(Others))]
    public void What_is_started_with_another_anchor_or_trial_is_no_repeat(string detail, Subscribe other)
    {
        var started = SubscribeDecision.Decide(Whole, SubscriptionState.Initial).Events.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);
        Assert.Equal(([], null), (SubscribeDecision.Decide(Whole with { At = Jan1.AddDays(40) }, started).Events, SubscribeDecision.Decide(Whole, started).Refused));
        var refused = SubscribeDecision.Decide(other, started).Refused;
        Assert.Equal(("subscription_exists", $"a subscription with this id exists, and {detail}; take another id"), (refused!.Value.Code, refused.Value.Detail));
    }

    [Fact]
    public void B5_a_start_that_is_repeated_after_its_trial_was_ended_early_changes_nothing() => Scenario
        .Given(Started with { TrialEnd = Jan1.AddDays(14) }, new SubscriptionActivated(Jan1.AddDays(3), Jan1.AddDays(3)))
        .When(s => SubscribeDecision.Decide(Command with { TrialDays = 14 }, s)).ThenNothing();

    [Fact]
    public void A_longer_trial_than_one_that_is_over_is_no_repeat() => Scenario
        .Given(Started with { TrialEnd = Jan1.AddDays(14) }, new SubscriptionActivated(Jan1.AddDays(14), Jan1.AddDays(14)))
        .When(s => SubscribeDecision.Decide(Command with { TrialDays = 15 }, s)).ThenRefused("subscription_exists");

    [Fact]
    public void B5_nor_does_one_of_whoever_moved_to_another_time_zone_since()
    {
        var started = SubscribeDecision.Decide(Command with { Customer = new CustomerState.Known(Currency.Parse("USD"), "acme", Jan1, "Asia/Tokyo") }, SubscriptionState.Initial);
        Scenario.Given(started.Events[0]).When(s => SubscribeDecision.Decide(Command with { At = Jan1.AddDays(9), Customer = new CustomerState.Known(Currency.Parse("USD"), "acme", Jan1, "Europe/Berlin") }, s)).ThenNothing();
    }

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
        { "paid_until_invalid", Command with { PaidUntil = new(2026, 1, 1) } },
        { "paid_until_invalid", Command with { PaidUntil = new(2027, 1, 3) } },
        { "paid_until_invalid", Command with { PaidUntil = new(2026, 2, 1), TrialDays = 3 } },
        { "currency_mismatch", Command with { Customer = new CustomerState.Known(Currency.Parse("EUR"), "acme", Jan1) } },
    };

    [Theory, MemberData(nameof(Refused))]
    public void What_cannot_be_billed_is_refused(string code, Subscribe command) => Scenario.When(s => SubscribeDecision.Decide(command, s)).ThenRefused(code);

    [Fact]
    public void An_id_that_is_taken_is_not_taken_over() =>
        Scenario.Given(Started).When(s => SubscribeDecision.Decide(Command with { PlanId = Metered }, s)).ThenRefused("subscription_exists");
}
