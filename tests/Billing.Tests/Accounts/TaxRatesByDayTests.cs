using System.Globalization;
using Billing.Rating;
using Billing.Sellers;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Accounts;

/// <summary>Of the rates that have begun for a customer that of the seller's latest day counts, and of one day the later word: so it is the same one wherever the customer is, and nothing has to be refused.</summary>
public sealed class TaxRatesByDayTests
{
    /// <summary>By how much the clocks of the Earth are ahead of UTC, those that are not by whole hours among them.</summary>
    private static readonly TimeSpan[] Ahead = [.. Enumerable.Range(-12, 27).Select(hours => TimeSpan.FromHours(hours)), new(-9, -30, 0), new(-3, -30, 0), new(5, 45, 0), new(12, 45, 0)];

    private static Decision<SellerEvent> Say(SellerState seller, DateTimeOffset at, string percent, DateTimeOffset? from) => SetTaxRateDecision.Decide(new("DE", "", "VAT", Percent.Parse(percent), from, at), seller);

    private static SellerState After(SellerState seller, DateTimeOffset at, string percent, DateTimeOffset? from)
    {
        var decided = Say(seller, at, percent, from);
        Assert.Null(decided.Refused);
        Assert.NotEmpty(decided.Events);
        return decided.Events.Aggregate(seller, SellerState.Evolve);
    }

    private static string? At(SellerState seller, DateTimeOffset moment, TimeSpan ahead) => seller.Rate("DE", "usage", moment + ahead, moment)?.Rate.ToString();

    /// <summary>The moments about which something may change, where clocks are so much ahead.</summary>
    private static IEnumerable<DateTimeOffset> Moments(SellerState seller, TimeSpan ahead) =>
        seller.Rates.Where(r => r.From > Vat.From).Select(r => r.Begins(ahead) - ahead).SelectMany(begins => new[] { begins.AddTicks(-1), begins }).Append(Mar1.AddDays(90));

    /// <summary>Said at every hour of five days about the first of March, for which there is another one already.</summary>
    [Fact]
    public void A_rate_from_now_on_replaces_that_of_the_sellers_day_and_leaves_that_of_the_next()
    {
        for (var hours = -48; hours <= 72; hours++)
        {
            var at = Mar1.AddHours(hours).AddMilliseconds(1);
            var seller = After(After(SellerAfter(Vat), Jan1, "21", Mar1), at, "5", null);
            foreach (var ahead in Ahead)
            foreach (var moment in Moments(seller, ahead))
            {
                var hasBegun = moment + ahead >= Mar1;
                Assert.Equal(hours < 0 && hasBegun ? "21" : moment >= at ? "5" : hasBegun ? "21" : "19", At(seller, moment, ahead));
            }
        }
    }

    /// <summary>Likewise, and the day is said an hour later.</summary>
    [Fact]
    public void A_rate_of_a_day_replaces_what_was_said_from_now_on_in_it_or_before()
    {
        for (var hours = -48; hours <= 72; hours++)
        {
            var at = Mar1.AddHours(hours).AddMilliseconds(1);
            var seller = After(After(SellerAfter(Vat), at, "5", null), at.AddHours(1), "21", Mar1);
            foreach (var ahead in Ahead)
            foreach (var moment in Moments(seller, ahead))
            {
                var hasBegun = moment + ahead >= Mar1;
                Assert.Equal(hours >= 24 && moment >= at ? "5" : hasBegun ? "21" : moment >= at ? "5" : "19", At(seller, moment, ahead));
            }
        }
    }

    /// <summary>Hours and days apart, some about the midnights of somebody.</summary>
    [Theory, InlineData(1), InlineData(7), InlineData(24), InlineData(25)]
    public void Rates_that_are_said_from_now_on_one_after_the_other_hold_each_from_its_moment_everywhere(int hoursApart)
    {
        var (seller, moments) = (SellerAfter(Vat), Enumerable.Range(0, 8).Select(i => Mar1.AddHours(-20 + i * hoursApart)).ToArray());
        for (var i = 0; i < moments.Length; i++) seller = After(seller, moments[i], $"{i}", null);
        foreach (var ahead in Ahead)
            for (var i = 0; i < moments.Length; i++)
                Assert.Equal((i == 0 ? "19" : $"{i - 1}", $"{i}"), (At(seller, moments[i].AddTicks(-1), ahead), At(seller, moments[i], ahead)));
    }

    /// <summary>
    /// Words of few days and few rates, so that they meet. Each one is said at an hour after the one before, of now or of a day and perhaps an hour. Nobody is refused; a word that changes nothing changes nothing, and a repeat never does;
    /// what is said from now on holds at once wherever no later day has begun that has a rate; and once all have begun everywhere, all customers have the same one.
    /// </summary>
    [Fact]
    public void Whatever_is_said_it_holds_by_its_day_and_in_the_end_everywhere_alike() => Gen.Select(Gen.Int[0, 30], Gen.Int[17, 19], Gen.Int[-2, 3], Gen.Int[-1, 2]).Array[1, 6].Sample(words =>
    {
        var (seller, at) = (SellerAfter(Vat), Mar1.AddDays(-1));
        foreach (var (hours, percent, day, sixth) in words)
        {
            at = at.AddHours(hours);
            DateTimeOffset? from = sixth < 0 ? null : Mar1.AddDays(day).AddHours(6 * sixth);
            var decided = Say(seller, at, $"{percent}", from);
            Assert.Null(decided.Refused);
            var said = SellerState.Evolve(seller, Vat with { Rate = Percent.Parse($"{percent}"), From = from ?? at, At = at, FromNow = from is null ? true : null });
            if (decided.Events.Count == 0)
                foreach (var ahead in Ahead)
                    foreach (var moment in Moments(said, ahead).Where(m => from is not null || m >= at)) Assert.Equal(At(seller, moment, ahead), At(said, moment, ahead));
            seller = decided.Events.Aggregate(seller, SellerState.Evolve);
            Assert.Empty(Say(seller, at, $"{percent}", from).Events);
            if (from is null)
                foreach (var ahead in Ahead.Where(a => !seller.Rates.Any(r => r.Day > DateOnly.FromDateTime(at.UtcDateTime) && r.Begins(a) <= at + a))) Assert.Equal($"{percent}", At(seller, at, ahead));
        }
        foreach (var days in new[] { 10, 100 }) Assert.Single(Ahead.Select(ahead => At(seller, Mar1.AddDays(days), ahead)).Distinct());
    });

    /// <summary>A correction of a correction is said again, and counts.</summary>
    [Fact]
    public void A_rate_of_a_day_is_said_again_after_another_one_was_said_in_it()
    {
        var seller = After(After(SellerAfter(Vat), Jan1, "21", Mar1), Mar1.AddHours(20), "5", null);
        seller = After(seller, Mar1.AddHours(21), "21", Mar1);
        Assert.All(Ahead, ahead => Assert.Equal("21", At(seller, Mar1.AddHours(21), ahead)));
        Assert.Empty(Say(seller, Mar1.AddHours(22), "21", Mar1).Events);
    }

    [Theory, InlineData("9999-12-31T23:59:59Z"), InlineData("0001-01-01T00:00:00Z")]
    public void A_rate_may_be_said_of_the_first_day_and_of_the_last(string from) =>
        After(After(SellerAfter(), Mar1, "8", null), Mar1.AddHours(1), "10", DateTimeOffset.Parse(from, CultureInfo.InvariantCulture));
}
