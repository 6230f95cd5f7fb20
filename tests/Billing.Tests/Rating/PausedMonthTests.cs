using Billing.Accounts;
using Billing.Invoices;
using Billing.Ledger;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Subscriptions;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>The example of docs/pauses.md: Team rests from 11 to 20 January, and throughout February.</summary>
public sealed class PausedMonthTests
{
    private static readonly DateTimeOffset Jan11 = Jan1.AddDays(10), Jan16 = Jan1.AddDays(15), Jan21 = Jan1.AddDays(20);

    private static readonly MenuTerms Menu31 = Terms() with
    {
        Plans =
        [
            new(Metered, "Team", new(31_000_000), [new(CapWindow.BillingPeriod, 31_000, Cap.GeneratedTokens, CapEnforcement.Billed)], [new(TokenKind.Output, UnitPrice.Parse("12.5")), new(TokenKind.Reasoning, UnitPrice.Parse("12.5"))]),
        ],
    };

    private static readonly PeriodFacts January_ = FactsAfter(
        Opened(Metered) with { LocalTime = new("UTC", []) }, Usage(1, Tokens(Metered, TokenKind.Output, 1_029_000)),
        new PeriodPlanChanged(Menu, Metered, false, Jan11, Jan11, Paused: true), new PeriodPlanChanged(Menu, Metered, false, Jan21, Jan21));

    private static readonly RatingTerms Agreed_ = Agreed(Menu31, Minimum(62_000_000), Money(5_000_000, expires: Jan16));

    [Fact]
    public void The_invoice_charges_the_days_that_were_served() => Assert.Equal(
        [
            ("Team, 2026-01-01 to 2026-01-10, 32.2581 % of 2026-01-01 to 2026-01-31", 0, 10_00), ("Team, 2026-01-11 to 2026-01-20, paused", 0, 0),
            ("Team, 2026-01-21 to 2026-01-31, 35.4839 % of 2026-01-01 to 2026-01-31", 0, 11_00), ("Team: output tokens included", 21_000, 0),
            ("Team: output tokens beyond the cap, 12.5 per million", 1_008_000, 12_60), ("Minimum of 62.00 USD a period: what is missing to it", 0, 8_40),
            ("Prepaid: credit used for the subscription", 0, -3_50), ("Prepaid: credit used for usage", 0, -1_50),
        ],
        InvoiceRating.Rate(January_, Agreed_).Lines.Select(l => (l.Description, (int)l.Tokens, (int)(l.AmountMicros.Value / 10_000))));

    [Fact]
    public void Its_preview_says_what_the_month_costs_with_and_without_the_pause()
    {
        SubscriptionEvent started = new SubscriptionStarted(Customer, Menu, Metered, Jan1);
        var state = SubscriptionState.Evolve(SubscriptionState.Initial, started);
        var periods = FollowSubscription.Decide(Subscription, SubscriptionState.Initial, [started], _ => PeriodState.Initial).Events.ToDictionary(p => p.PeriodId, p => PeriodAfter([.. p.Events]));
        var preview = ChangePreview.Of(Subscription, state, PauseSubscriptionDecision.Decide(new(EffectiveTime.Now, Jan21, Jan11), state).Events, id => periods[id], Jan11).Preview!;
        Assert.Equal((57_000_000, 37_000_000), (InvoiceRating.Rate(preview.Before, Agreed_).TotalMicros.Value, InvoiceRating.Rate(preview.After, Agreed_).TotalMicros.Value));
    }

    [Fact]
    public void A_month_that_rests_throughout_owes_no_minimum_and_has_no_invoice()
    {
        var february = FactsAfter(Opened(Metered, 1) with { Paused = true });
        Assert.Equal(Micros.Zero, InvoiceRating.Rate(february, Agreed_).TotalMicros);
        Assert.Empty(FinalizeInvoiceDecision.Decide(new(new PeriodState.Closed(february, [], [], Mar1, 2), Agreed_, "INV-2", Mar1), InvoiceState.Initial).Events);
    }

    public static TheoryData<string, long> Earned => new()
    {
        { "2026-01-06", 10_000_000 }, { "2026-01-11", 20_000_000 }, { "2026-01-16", 20_000_000 }, { "2026-01-21", 20_000_000 }, { "2026-02-01", 42_000_000 },
    };

    [Theory, MemberData(nameof(Earned))]
    public void Nothing_is_earned_while_it_rests(string before, long micros)
    {
        var document = InvoiceDocument.Draft(January_, Agreed_);
        var amounts = InvoicedAmounts.Of(System.Text.Encoding.UTF8.GetString(document.ToUtf8()), January_.Plans);
        Assert.Equal(micros, amounts.EarnedBefore(DateTimeOffset.Parse(before, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal)).Value);
    }
}
