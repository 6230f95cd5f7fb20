using System.Numerics;
using Billing.Accounts;
using Billing.Menus;
using Billing.Rating;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>Amounts as they are where a coffee costs tens of thousands: whatever can be agreed can be invoiced.</summary>
public sealed class LargeAmountTests
{
    private const long Million = 1_000_000;

    private static MenuTerms Costing(string currency, long feeMicros) =>
        Some.Terms(currency) is var menu ? menu with { Plans = [menu.Plans[0] with { PeriodFeeMicros = new(feeMicros) }, menu.Plans[1] with { PeriodFeeMicros = new(feeMicros) }] } : null!;

    [Theory]
    [InlineData("IDR", 300, 300, 0)]
    [InlineData("KRW", 1_000, 100, 900)]
    [InlineData("VND", 2_000, 999, 1_001)]
    public void An_amount_off_a_fee_of_millions_comes_off(string currency, long feeMillions, long offMillions, long leftMillions)
    {
        var terms = Agreed(Costing(currency, feeMillions * Million * Million), AmountOff(offMillions * Million * Million));
        Assert.Equal(leftMillions * Million * Million, InvoiceRating.Rate(FactsAfter(Opened(Small)), terms).TotalMicros.Value);
    }

    [Fact]
    public void An_amount_off_two_products_that_cost_millions_is_split_in_proportion()
    {
        var terms = Agreed(Costing("IDR", 300 * Million * Million), AmountOff(450 * Million * Million));
        // Beyond the cap a million tokens are 12.5: 24 million millions of them are as much as the fee.
        var month = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 24_000_000_000_000 + 1_000)));
        var discounts = InvoiceRating.Rate(month, terms).Lines.Where(l => l.Kind == LineKinds.Discount).Select(l => l.AmountMicros.Value);
        Assert.Equal([-225 * Million * Million, -225 * Million * Million], discounts);
    }

    [Fact]
    public void Packages_that_cost_millions_can_be_paid_in_advance()
    {
        var menu = Some.Terms("IDR") is var m ? m with { Plans = [m.Plans[0], m.Plans[1] with { Overage = [OveragePrice.Packaged(TokenKind.Output, new(1_000_000_000_000, new(500 * Million * Million))), new(TokenKind.Reasoning, UnitPrice.Parse("25"))] }] } : null!;
        var month = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 2_000_000_000_000 + 1_000)));
        var paid = InvoiceRating.Rate(month, Agreed(menu, Prepaid(1_000_000_000_000))).Lines.Single(l => l.Kind == LineKinds.PrepaidTokens);
        Assert.Equal(-500 * Million * Million, paid.AmountMicros.Value);
    }

    [Fact]
    public void B1_lines_add_up_to_what_exact_sums_come_to_up_to_the_largest_amount_there_is() => Gen.Select(
        Gen.OneOf(Gen.Const("IDR"), Gen.Const("KRW"), Gen.Const("KWD")), Gen.Long[0, long.MaxValue / 2], Gen.Long[1, long.MaxValue / 2], Gen.Long[0, 300_000_000_000_000_000], Gen.Enum<DiscountScope>(), Gen.Long[1, long.MaxValue])
        .Sample((currency, fee, off, tokens, scope, prepaid) =>
        {
            var unit = Currency.Parse(currency).MinorUnit.Value;
            var terms = Agreed(Costing(currency, fee / unit * unit), AmountOff(off / unit * unit + unit, scope), Prepaid(prepaid));
            var facts = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, tokens)));
            var rated = InvoiceRating.Rate(facts, terms);
            return (rated.TotalMicros.Value, rated.Draws.Sum(d => d.Tokens)) == ExactInvoice.Of(facts, terms) && rated.TotalMicros == Micros.Sum(rated.Lines.Select(l => l.AmountMicros));
        });

    [Fact]
    public void What_decimals_can_say_is_said_by_them_to_the_last_digit() => Gen.Select(Gen.Decimal[0, 100_000_000_000_000], Gen.Decimal[0, 100_000_000_000_000], Gen.Decimal[1, 200_000_000_000_000]).Sample((amount, part, whole) =>
        decimal.GetBits(Proportion.Of(amount, part, whole)).SequenceEqual(decimal.GetBits(amount * part / whole)));

    [Fact]
    public void Beyond_them_it_is_the_nearest_that_a_decimal_can_say() => Gen.Select(Gen.Long[1_000_000_000_000_000, long.MaxValue], Gen.Long[1_000_000_000_000_000, long.MaxValue], Gen.Long[1, long.MaxValue]).Sample((amount, a, b) =>
    {
        var (part, whole) = (Math.Min(a, b), Math.Max(a, b));
        var off = new BigInteger(amount) * part - (BigInteger)Math.Floor(Proportion.Of(amount, part, whole)) * whole;
        return BigInteger.Abs(off) <= whole;
    });
}
