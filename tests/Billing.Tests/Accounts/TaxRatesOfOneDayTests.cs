using System.Globalization;
using System.Text.RegularExpressions;
using Billing.Rating;
using Billing.Sellers;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Accounts;

/// <summary>Of two rates that begin on one day, one by the customer's clocks and one at a moment, the same one counts wherever the customer is: else the second is refused, and what is said instead is taken.</summary>
public sealed partial class TaxRatesOfOneDayTests
{
    private static readonly int[] Ahead = [.. Enumerable.Range(-12, 27)];

    private static TaxRateSet FromNow(DateTimeOffset at, string percent) => Vat with { Rate = Percent.Parse(percent), From = at, At = at, FromNow = true };
    private static TaxRateSet Dated(DateTimeOffset from, string percent) => Vat with { Rate = Percent.Parse(percent), From = from };

    private static Decision<SellerEvent> Say(SellerState seller, DateTimeOffset at, string percent, DateTimeOffset? from) => SetTaxRateDecision.Decide(new("DE", "", "VAT", Percent.Parse(percent), from, at), seller);

    private static SellerState After(SellerState seller, DateTimeOffset at, string percent, DateTimeOffset? from)
    {
        var decided = Say(seller, at, percent, from);
        Assert.Null(decided.Refused);
        Assert.NotEmpty(decided.Events);
        return decided.Events.Aggregate(seller, SellerState.Evolve);
    }

    /// <param name="on">what the customer's clocks show</param>
    private static string? On(SellerState seller, DateTimeOffset on, int ahead) => seller.Rate("DE", "usage", on, on.AddHours(-ahead))?.Rate.ToString();

    /// <summary>The times from which a refusal says to say it.</summary>
    private static DateTimeOffset[] Advised(Decision<SellerEvent> refused)
    {
        Assert.Equal("tax_rate_beginning", refused.Refused?.Code);
        return [.. Advice().Matches(refused.Refused!.Value.Detail).Select(m => DateTimeOffset.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal))];
    }

    [GeneratedRegex(@"from (\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\dZ)?) on")]
    private static partial Regex Advice();

    /// <summary>Tokyo has had the first of March for an hour when the first rate is said, and would be taxed by it for good.</summary>
    [Fact]
    public void A_rate_of_the_day_that_has_begun_somewhere_is_not_lost_there_to_one_that_was_said_before()
    {
        var (seller, at) = (SellerAfter(FromNow(Mar1.AddHours(-8), "8")), Mar1.AddHours(-8).AddMinutes(1));
        var refused = Say(seller, at, "10", Mar1);
        Assert.Equal([Mar1.AddHours(6)], Advised(refused));
        Assert.Contains("say no day", refused.Refused!.Value.Detail, StringComparison.Ordinal);
        var later = After(seller, at, "10", Mar1.AddHours(6));
        Assert.All(Ahead, ahead => Assert.Equal(["10", "10"], new[] { Mar1.AddHours(6), Mar1.AddDays(30) }.Select(on => On(later, on, ahead))));
        // The first one holds until then, and where clocks are most ahead it never does.
        Assert.All(Ahead, ahead => Assert.Equal(ahead == 14 ? null : "8", On(later, Mar1.AddHours(6).AddTicks(-1), ahead)));
        var atOnce = After(seller, at, "10", null);
        Assert.All(Ahead, ahead => Assert.Equal("10", On(atOnce, at.AddHours(ahead), ahead)));
    }

    /// <summary>The rate that begins was said from now on too, and what was advised against it split the world.</summary>
    [Fact]
    public void What_is_advised_where_a_rate_begins_that_was_said_from_now_on_too_is_taken_and_holds_everywhere()
    {
        var (seller, five, noon) = (SellerAfter(Vat, Dated(Mar1, "21"), FromNow(Mar1.AddHours(2), "21")), Mar1.AddHours(5), Mar1.AddHours(12));
        var advised = Assert.Single(Advised(Say(seller, five, "19", null)));
        Assert.Equal(Mar1.AddHours(16), advised);
        Assert.Equal([advised], Advised(Say(seller, five, "19", Mar1)));
        Assert.DoesNotContain("say no day", Say(seller, five, "19", Mar1).Refused!.Value.Detail, StringComparison.Ordinal);
        var replaced = After(seller, five, "19", advised);
        Assert.All(Ahead, ahead => Assert.Equal(["21", "19", "19"], new[] { advised.AddTicks(-1), advised, Mar1.AddDays(30) }.Select(on => On(replaced, on, ahead))));
        // Once the day has begun everywhere, it is said from now on.
        Assert.Contains("say no day", Say(seller, noon, "19", Mar1).Refused!.Value.Detail, StringComparison.Ordinal);
        var atOnce = After(seller, noon, "19", null);
        Assert.All(Ahead, ahead => Assert.Equal(["19", "19"], new[] { noon.AddHours(ahead), Mar1.AddDays(30) }.Select(on => On(atOnce, on, ahead))));
    }

    [Fact]
    public void What_is_advised_where_a_rate_begins_passes_by_what_was_said_the_day_before()
    {
        var (seller, at) = (SellerAfter(Vat, Dated(Mar1, "21"), FromNow(Mar1.AddHours(-28), "18")), Mar1.AddHours(-12));
        var advised = Advised(Say(seller, at, "19", null));
        Assert.Equal([Mar1, Mar1.AddHours(-14)], advised);
        var (replaced, left) = (After(seller, at, "19", advised[0]), After(seller, at, "19", advised[1]));
        Assert.All(Ahead, ahead => Assert.Equal(("19", "19", "21"), (On(replaced, Mar1, ahead), On(left, Mar1.AddTicks(-1), ahead), On(left, Mar1, ahead))));
    }

    [Fact]
    public void A_rate_of_a_day_is_taken_only_where_one_of_a_moment_did_not_begin_in_it_and_what_is_advised_instead_holds_everywhere()
    {
        for (var hours = -48; hours <= 72; hours++)
        {
            var (seller, at) = (SellerAfter(FromNow(Mar1.AddHours(hours).AddMilliseconds(1), "21")), Mar1.AddHours(hours + 1));
            var isDivided = Ahead.Any(ahead => hours + ahead is >= 0 and < 24);
            Assert.Equal(isDivided ? "tax_rate_beginning" : null, Say(seller, at, "19", Mar1).Refused?.Code);
            var from = isDivided ? Assert.Single(Advised(Say(seller, at, "19", Mar1))) : Mar1;
            var after = After(seller, at, "19", from);
            var first = isDivided ? from : Mar1.AddDays(1).AddTicks(-1);
            Assert.All(Ahead, ahead => Assert.Equal("19", On(after, first, ahead)));
            // The same rate divides nothing, whenever it is said.
            Assert.Null(Say(seller, at, "21", Mar1).Refused);
        }
    }

    /// <summary>A repeat that is done already and does not count any more says so.</summary>
    [Fact]
    public void A_rate_of_a_day_is_not_said_again_after_another_one_was_said_on_it_from_now_on() =>
        Assert.Equal([Mar1.AddHours(34)], Advised(Say(SellerAfter(Dated(Mar1, "19"), FromNow(Mar1.AddHours(20), "21")), Mar1.AddHours(21), "19", Mar1)));

    [Theory, InlineData("9999-12-31T23:59:59Z"), InlineData("0001-01-01T00:00:00Z")]
    public void A_rate_may_be_said_of_the_first_day_and_of_the_last(string from) =>
        Assert.Null(Say(SellerAfter(FromNow(Mar1, "8")), Mar1.AddHours(1), "10", DateTimeOffset.Parse(from, CultureInfo.InvariantCulture)).Refused);
}
