using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>Output beyond 1,000 tokens: the first million at 12.5 per million, the next four at 10, the rest at 8.</summary>
public sealed class TieredPriceTests
{
    private static readonly ValueList<PriceTier> Tiers = [new(1_000_000, UnitPrice.Parse("12.5")), new(5_000_000, UnitPrice.Parse("10")), new(null, UnitPrice.Parse("8"))];

    private static MenuTerms Menu(PriceModel model) => Some.Terms() with
    {
        Plans = [Some.Terms().Plans[0], Some.Terms().Plans[1] with { Overage = [model == PriceModel.Package ? OveragePrice.Packaged(TokenKind.Output, new(500_000, new(5_000_000))) : OveragePrice.Tiered(TokenKind.Output, model, Tiers), new(TokenKind.Reasoning, UnitPrice.Parse("11"))] }],
    };

    private static RatedInvoice Rate(PriceModel model, long output) => InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, output))), Book(Menu(model)));

    /// <summary>Tokens beyond the cap, and micros of the whole invoice with its fee of 5.00.</summary>
    [Theory]
    [InlineData(PriceModel.Graduated, 0, 5_000_000)]
    [InlineData(PriceModel.Graduated, 1_000_000, 17_500_000)]
    [InlineData(PriceModel.Graduated, 1_000_800, 17_510_000)]
    [InlineData(PriceModel.Graduated, 6_200_000, 67_100_000)]
    [InlineData(PriceModel.Volume, 1_000_000, 17_500_000)]
    [InlineData(PriceModel.Volume, 1_001_000, 15_010_000)]
    [InlineData(PriceModel.Volume, 6_200_000, 54_600_000)]
    [InlineData(PriceModel.Package, 6_000_000, 65_000_000)]
    [InlineData(PriceModel.Package, 6_200_000, 70_000_000)]
    public void Tiers_price_what_is_beyond_the_cap(PriceModel model, long beyond, long total) => Assert.Equal(total, Rate(model, beyond + 1_000).TotalMicros.Value);

    [Fact]
    public void Each_tier_that_is_reached_has_its_line() => Assert.Equal(
        [
            ("Metered: output tokens beyond the cap, 1 to 1,000,000, 12.5 per million", 1_000_000L, "12.5", 12_500_000L),
            ("Metered: output tokens beyond the cap, 1,000,001 to 5,000,000, 10 per million", 4_000_000L, "10", 40_000_000L),
            ("Metered: output tokens beyond the cap, 5,000,001 to 6,200,000, 8 per million", 1_200_000L, "8", 9_600_000L),
        ],
        Rate(PriceModel.Graduated, 6_201_000).Lines.Where(l => l.Kind == LineKinds.Overage).Select(l => (l.Description, l.Tokens, l.UnitPrice!.Value.ToString(), l.AmountMicros.Value)));

    [Fact]
    public void The_cap_covers_a_tiered_kind_by_its_dearest_tier()
    {
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 1_000), Tokens(Metered, TokenKind.Reasoning, 1_000))), Book(Menu(PriceModel.Graduated)));
        Assert.Equal([TokenKind.Output], rated.Lines.Where(l => l.Kind == LineKinds.Included).Select(l => l.TokenKind!.Value));
    }

    [Theory]
    [InlineData(PriceModel.Graduated, 13_500_000)] // 500,000 more of the first tier, 725,000 of the second.
    [InlineData(PriceModel.Volume, 11_000_000)] // 1,725,000 at 10 less 500,000 at 12.5.
    public void B3_late_usage_goes_on_where_the_period_stood(PriceModel model, long micros)
    {
        PlanTokens[] before = [Tokens(Metered, TokenKind.Output, 501_000)], late = [Tokens(Metered, TokenKind.Output, 1_225_000)];
        var line = InvoiceRating.Rate(FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Some.Menu, 0, Jan1, Feb1, 4, before.ToValueList(), late.ToValueList(), Mar1)), Book(Menu(model)))
            .Lines.Single(l => l.Kind == LineKinds.Adjustment);
        Assert.Equal((1_225_000L, micros, (UnitPrice?)null), (line.Tokens, line.AmountMicros.Value, line.UnitPrice));
    }

    [Fact]
    public void Tokens_paid_in_advance_take_off_the_dearest_tier_first()
    {
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 2_001_000))), Agreed(Menu(PriceModel.Graduated), Prepaid(1_400_000)));
        Assert.Equal([-12_500_000L, -4_000_000L], rated.Lines.Where(l => l.Kind == LineKinds.PrepaidTokens).Select(l => l.AmountMicros.Value));
    }

    public static TheoryData<string, OveragePrice> Faults => new()
    {
        { "do not rise", new(TokenKind.Output, default, [new(5, default), new(5, default), new(null, default)], PriceModel.Graduated) },
        { "has no end", new(TokenKind.Output, default, [new(5, default)], PriceModel.Volume) },
        { "has no end", new(TokenKind.Output, default, [new(null, default), new(null, default)], PriceModel.Volume) },
        { "has no tiers", new(TokenKind.Output, default, null, PriceModel.Graduated) },
        { "does not say", new(TokenKind.Output, default, [new(null, default)]) },
    };

    [Theory, MemberData(nameof(Faults))]
    public void What_no_invoice_could_be_made_from_is_refused_when_it_arrives(string words, OveragePrice price)
    {
        var menu = Menu(PriceModel.Graduated) with { Plans = [Some.Terms().Plans[1] with { Overage = [price, new(TokenKind.Reasoning, default)] }] };
        var refused = ReceiveMenuDecision.Decide(new(menu), MenuState.Initial).Refused;
        Assert.Equal("menu_not_rateable", refused?.Code);
        Assert.Contains(words, refused?.Detail, StringComparison.Ordinal);
    }
}
