using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using CsCheck;
using static Billing.Tests.Some;

namespace Billing.Tests.Rating;

public sealed class InvoiceRatingTests
{
    /// <summary>Output, reasoning and input of a month on the metered plan; the overage lines and the total, in micros.</summary>
    public static TheoryData<long, long, long, long, long, long> Money => new()
    {
        { 0, 0, 0, 0, 0, 5_000_000 },
        { 1_000, 0, 9_999, 0, 0, 5_000_000 },
        { 601_000, 0, 0, 7_500_000, 0, 12_500_000 },
        // The allowance covers the dearer reasoning tokens first.
        { 600_000, 1_000, 0, 7_500_000, 0, 12_500_000 },
        { 0, 1_401_000, 0, 0, 35_000_000, 40_000_000 },
        // 500 x 12.5 micros are 6,250: more than half a cent is a cent.
        { 1_500, 0, 0, 10_000, 0, 5_010_000 },
        { 1_100, 0, 0, 0, 0, 5_000_000 },
    };

    [Theory, MemberData(nameof(Money))]
    public void Tokens_beyond_the_cap_are_billed_by_kind(long output, long reasoning, long input, long outputMicros, long reasoningMicros, long total)
    {
        var rated = InvoiceRating.Rate(
            FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, output), Tokens(Metered, TokenKind.Reasoning, reasoning), Tokens(Metered, TokenKind.Input, input))), Book());
        Assert.Equal(outputMicros, Overage(rated, TokenKind.Output));
        Assert.Equal(reasoningMicros, Overage(rated, TokenKind.Reasoning));
        Assert.Equal(total, rated.TotalMicros.Value);
        Assert.Equal(output + reasoning + input, rated.Lines.Sum(l => l.Tokens));
    }

    [Fact]
    public void Overrun_is_shown_and_never_billed()
    {
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Overrun, 1_000_000))), Book());
        Assert.Equal((5_000_000, 1_000_000), (rated.TotalMicros.Value, rated.Lines.Single(l => l.Kind == LineKinds.Overrun).Tokens));
    }

    [Fact]
    public void B3_late_usage_costs_the_difference_it_would_have_made()
    {
        PlanTokens[] before = [Tokens(Metered, TokenKind.Output, 900)], late = [Tokens(Metered, TokenKind.Output, 800_100)];
        var rated = InvoiceRating.Rate(
            FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 4, before.ToValueList(), late.ToValueList(), Mar1)), Book());
        var line = rated.Lines.Single(l => l.Kind == LineKinds.Adjustment);
        Assert.Equal((800_100L, 10_000_000L, January), (line.Tokens, line.AmountMicros.Value, line.AboutPeriodId));
    }

    [Fact]
    public void B1_B3_usage_taken_back_after_its_period_closed_is_a_credit_even_below_zero()
    {
        PlanTokens[] before = [Tokens(Metered, TokenKind.Output, 801_000)], taken = [Tokens(Metered, TokenKind.Output, -800_500)];
        var rated = InvoiceRating.Rate(
            FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 4, before.ToValueList(), taken.ToValueList(), Mar1)), Book());
        var line = rated.Lines.Single(l => l.Kind == LineKinds.Adjustment);
        // 800,000 of them had been billed at 12.50 a million; the 500 that are left are included.
        Assert.Equal((-800_500L, -10_000_000L, January), (line.Tokens, line.AmountMicros.Value, line.AboutPeriodId));
        Assert.Equal("Metered, 2026-01-01 to 2026-02-01: output tokens recorded after that period closed, -800000 of them billed", line.Description);
        Assert.Equal((-5_000_000L, rated.TotalMicros.Value), (rated.TotalMicros.Value, rated.Lines.Sum(l => l.AmountMicros.Value)));
    }

    [Theory, InlineData("USD", 10_000), InlineData("JPY", 1_000_000), InlineData("KWD", 1_000)]
    public void Every_line_is_in_whole_minor_units_of_its_currency(string currency, long unit)
    {
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 123_457), Tokens(Metered, TokenKind.Reasoning, 98_765))), Book(Terms(currency)));
        Assert.All(rated.Lines, l => Assert.Equal(0, l.AmountMicros.Value % unit));
    }

    private static readonly Gen<PlanTokens> AnyTokens =
        Gen.Select(Gen.OneOf(Gen.Const(Small), Gen.Const(Metered)), Gen.Enum<TokenKind>(), Gen.Long[0, 5_000_000], (plan, kind, tokens) => Tokens(plan, kind, tokens));

    private static readonly Gen<UsageApplied[]> AnyMonth = AnyTokens.Array[1, 4].Array[0, 12].Select(reports => reports.Select((r, i) => Usage(i + 1, r)).ToArray());

    private static readonly Gen<UnitPrice> AnyUnitPrice = Gen.Decimal[0m, 99m].Select(d => new UnitPrice(decimal.Round(d, 6)));

    private static Gen<OveragePrice> AnyPrice(TokenKind kind) => Gen.OneOf(
        AnyUnitPrice.Select(p => new OveragePrice(kind, p)),
        Gen.Select(Gen.Long[1, 2_000_000], Gen.Long[0, 9_000_000], (tokens, micros) => OveragePrice.Packaged(kind, new(tokens, new(micros)))),
        Gen.Select(Gen.OneOf(Gen.Const(PriceModel.Graduated), Gen.Const(PriceModel.Volume)), Gen.Long[1, 2_000_000].Array[0, 3], AnyUnitPrice.Array[4], (model, widths, prices) => OveragePrice.Tiered(
            kind, model, [.. widths.Select((_, i) => new PriceTier(widths.Take(i + 1).Sum(), prices[i])), new PriceTier(null, prices[3])])));

    private static readonly Gen<MenuTerms> AnyTerms = Gen.Select(
        Gen.OneOf(Gen.Const("USD"), Gen.Const("JPY"), Gen.Const("KWD")), Gen.Long[0, 90_000_000], Gen.Long[0, 3_000_000], AnyPrice(TokenKind.Output), AnyPrice(TokenKind.Reasoning),
        (currency, fee, cap, output, reasoning) => Terms(currency) with
        {
            Plans =
            [
                Terms().Plans[0],
                Terms().Plans[1] with
                {
                    PeriodFeeMicros = new(fee), Caps = [new(CapWindow.BillingPeriod, cap, Cap.GeneratedTokens, CapEnforcement.Billed)],
                    Overage = [output, reasoning],
                },
            ],
        });

    [Fact]
    public void B1_lines_add_up_to_what_fee_and_usage_come_to_and_tokens_to_what_was_recorded() => Gen.Select(AnyTerms, AnyMonth).Sample((terms, month) =>
    {
        var facts = FactsAfter([Opened(Metered), .. month]);
        var rated = InvoiceRating.Rate(facts, Book(terms));
        return (rated.TotalMicros.Value, rated.Draws.Sum(d => d.Tokens)) == ExactInvoice.Of(facts, RatingTerms.Of(Book(terms)))
            && Micros.Sum(rated.Lines.Select(l => l.AmountMicros)) == rated.TotalMicros
            && rated.Lines.Sum(l => l.Tokens) == month.Sum(u => u.Lines.Sum(t => t.Tokens))
            && rated.Lines.All(l => l.AmountMicros.Value % terms.Currency.MinorUnit.Value == 0);
    });

    [Fact]
    public void The_order_of_usage_does_not_matter() => Gen.Select(AnyTerms, AnyMonth, Gen.Int).Sample((terms, month, seed) =>
    {
        UsageApplied[] shuffled = [.. month];
        new Random(seed).Shuffle(shuffled);
        return InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month]), Book(terms)) == InvoiceRating.Rate(FactsAfter([Opened(Metered), .. shuffled]), Book(terms));
    });

    [Fact]
    public void B3_usage_invoiced_late_costs_what_it_would_have_cost_in_time_before_rounding() => Gen.Select(AnyTerms, AnyMonth, AnyMonth).Sample((terms, month, late) =>
    {
        var before = FactsAfter([Opened(Metered), .. month]).Usage;
        var added = FactsAfter([Opened(Metered), .. late]).Usage;
        var inTime = InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month, .. late]), Book(terms)).TotalMicros;
        var first = InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month]), Book(terms)).TotalMicros;
        var then = InvoiceRating.Rate(FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 9, before, added, Mar1, FactsAfter(Opened(Metered)).Plans)), Book(terms)).TotalMicros;
        // Two invoices round twice: at most a minor unit apart, and the second one bears its own fee.
        return Math.Abs((first + then - inTime).Value - InvoiceRating.Rate(FactsAfter(Opened(Metered, 1)), Book(terms)).TotalMicros.Value) <= 2 * terms.Currency.MinorUnit.Value;
    });

    [Fact]
    public void B3_usage_taken_back_late_gives_back_what_it_had_cost_before_rounding() => Gen.Select(AnyTerms, AnyMonth, Gen.Int[0, 100]).Sample((terms, month, percent) =>
    {
        var before = FactsAfter([Opened(Metered), .. month]).Usage;
        var taken = before.Select(b => b with { Tokens = -b.Tokens * percent / 100 }).ToValueList();
        var inTime = InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month, Usage(99, [.. taken])]), Book(terms)).TotalMicros;
        var first = InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month]), Book(terms)).TotalMicros;
        var then = InvoiceRating.Rate(FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 9, before, taken, Mar1, FactsAfter(Opened(Metered)).Plans)), Book(terms)).TotalMicros;
        return Math.Abs((first + then - inTime).Value - InvoiceRating.Rate(FactsAfter(Opened(Metered, 1)), Book(terms)).TotalMicros.Value) <= 2 * terms.Currency.MinorUnit.Value;
    });

    private static long Overage(RatedInvoice rated, TokenKind kind) => rated.Lines.SingleOrDefault(l => l.Kind == LineKinds.Overage && l.TokenKind == kind)?.AmountMicros.Value ?? 0;
}
