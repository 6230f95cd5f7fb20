using Billing.Accounts;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>Tokens sold in packages, and by volume, beside the other ways of pricing: the example of docs/pricing.md, and what holds for any usage.</summary>
public sealed class PackagePriceTests
{
    private static readonly ValueList<PriceTier> Tiers = [new(1_000_000, UnitPrice.Parse("12.5")), new(null, UnitPrice.Parse("8"))];

    private static OveragePrice Price(PriceModel model, TokenKind kind = TokenKind.Output) => model switch
    {
        PriceModel.PerUnit => new(kind, UnitPrice.Parse("12.5")),
        PriceModel.Package => OveragePrice.Packaged(kind, new(100_000, new(1_250_000))),
        _ => OveragePrice.Tiered(kind, model, Tiers),
    };

    private static MenuTerms MenuOf(params OveragePrice[] prices) => Some.Terms() with { Plans = [Some.Terms().Plans[0], Some.Terms().Plans[1] with { Overage = prices.ToValueList() }] };
    private static MenuTerms MenuOf(PriceModel model) => MenuOf(Price(model), Price(model, TokenKind.Reasoning));

    private static RatedInvoice Rate(MenuTerms menu, params AccountEvent[] agreed) => Rate(menu, 1_241_000, agreed);
    private static RatedInvoice Rate(MenuTerms menu, long output, params AccountEvent[] agreed) =>
        InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, output))), Agreed(menu, agreed));

    /// <summary>Micros of the adjustment that late tokens make where so many had been invoiced, all beyond the cap but for 1,000.</summary>
    private static long Late(PriceModel model, long invoiced, long late) => InvoiceRating.Rate(
            FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 4, [Tokens(Metered, TokenKind.Output, invoiced + 1_000)], [Tokens(Metered, TokenKind.Output, late)], Mar1)), Book(MenuOf(model)))
        .Lines.Where(l => l.Kind == LineKinds.Adjustment).Sum(l => l.AmountMicros.Value);

    [Theory]
    [InlineData(PriceModel.PerUnit, 15_500_000)]
    [InlineData(PriceModel.Graduated, 14_420_000)]
    [InlineData(PriceModel.Volume, 9_920_000)]
    [InlineData(PriceModel.Package, 16_250_000)]
    public void The_same_tokens_by_every_way_of_pricing(PriceModel model, long micros) => Assert.Equal(micros + 5_000_000, Rate(MenuOf(model)).TotalMicros.Value);

    [Theory]
    [InlineData(PriceModel.PerUnit, 1_240_000, 60_000, 750_000)]
    [InlineData(PriceModel.Graduated, 1_240_000, 60_000, 480_000)]
    [InlineData(PriceModel.Volume, 1_240_000, 60_000, 480_000)]
    [InlineData(PriceModel.Package, 1_240_000, 60_000, 0)] // The thirteenth package had room for them.
    [InlineData(PriceModel.Package, 1_240_000, 60_001, 1_250_000)]
    [InlineData(PriceModel.Package, 1_240_000, -40_001, -1_250_000)] // Taken back: twelve packages were begun.
    [InlineData(PriceModel.Volume, 900_000, 200_000, -2_450_000)] // All of them are in the cheaper tier now.
    public void B3_late_usage_is_the_difference_that_it_makes(PriceModel model, long invoiced, long late, long micros) => Assert.Equal(micros, Late(model, invoiced, late));

    [Fact]
    public void Packages_are_told_on_one_line_however_many_reports_there_were()
    {
        var reports = Enumerable.Range(1, 3).Select(n => (PeriodEvent)Usage(n, Tokens(Metered, TokenKind.Output, 67_000), Tokens(Metered, TokenKind.Reasoning, 10)));
        var lines = InvoiceRating.Rate(FactsAfter([Opened(Metered), .. reports]), Book(MenuOf(PriceModel.Package))).Lines.Where(l => l.Kind == LineKinds.Overage);
        Assert.Equal(
            [
                ("Metered: output tokens beyond the cap, 2 packages of 100,000 at 1.25 USD", 200_000L, 2_500_000L, new LinePackages(2, 100_000, new(1_250_000))),
                ("Metered: reasoning tokens beyond the cap, 1 package of 100,000 at 1.25 USD", 30L, 1_250_000L, new LinePackages(1, 100_000, new(1_250_000))),
            ],
            lines.Select(l => (l.Description, l.Tokens, l.AmountMicros.Value, l.Packages!)));
        Assert.All(lines, l => Assert.Null(l.UnitPrice));
    }

    [Fact]
    public void Tokens_within_the_cap_begin_no_package() => Assert.Equal(5_000_000, Rate(MenuOf(PriceModel.Package), 1_000).TotalMicros.Value);

    [Fact]
    public void The_cap_covers_the_kind_whose_full_package_is_dearer_by_the_token()
    {
        // 1.25 for 100,000 are 12.5 a million: dearer than output at 12.
        var menu = MenuOf(new(TokenKind.Output, UnitPrice.Parse("12")), Price(PriceModel.Package, TokenKind.Reasoning));
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 1_000), Tokens(Metered, TokenKind.Reasoning, 1_000))), Book(menu));
        Assert.Equal([TokenKind.Reasoning], rated.Lines.Where(l => l.Kind == LineKinds.Included).Select(l => l.TokenKind!.Value));
    }

    [Fact]
    public void Tokens_paid_in_advance_take_their_part_of_the_packages_that_were_begun()
    {
        // 620,000 of 1,240,000 are half of 16.25, and after a tenth off 7.3125.
        Assert.Equal(-8_120_000, Rate(MenuOf(PriceModel.Package), Prepaid(620_000)).Lines.Single(l => l.Kind == LineKinds.PrepaidTokens).AmountMicros.Value);
        var whole = Rate(MenuOf(PriceModel.Package), PercentOff("10", DiscountScope.Usage), Prepaid(9_000_000));
        Assert.Equal((5_000_000, 1_240_000), (whole.TotalMicros.Value, whole.Draws.Single().Tokens));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-5, 1)]
    [InlineData(5, -1)]
    public void Packages_of_nothing_are_refused_when_the_menu_arrives(long tokens, long micros)
    {
        var refused = ReceiveMenuDecision.Decide(new(MenuOf(OveragePrice.Packaged(TokenKind.Output, new(tokens, new(micros))), Price(PriceModel.PerUnit, TokenKind.Reasoning))), MenuState.Initial).Refused;
        Assert.Equal("menu_not_rateable", refused?.Code);
        Assert.Contains("packages of output", refused?.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_price_is_by_packages_or_it_is_not() => Assert.All(
        new[] { Price(PriceModel.PerUnit) with { Package = new(5, new(1)) }, Price(PriceModel.Package) with { Tiers = Tiers }, Price(PriceModel.Package) with { Package = null } },
        price => Assert.Equal("menu_not_rateable", ReceiveMenuDecision.Decide(new(MenuOf(price, Price(PriceModel.PerUnit, TokenKind.Reasoning))), MenuState.Initial).Refused?.Code));

    private static Gen<OveragePrice> AnyPrice(TokenKind kind) => Gen.OneOf(
        Gen.Select(Gen.Long[1, 3_000_000], Gen.Long[0, 9_000_000], (tokens, micros) => OveragePrice.Packaged(kind, new(tokens, new(micros)))),
        Gen.Select(Gen.Bool, Gen.Long[1, 2_000_000].Array[0, 3], Gen.Int[0, 99_000].Array[4], (volume, widths, prices) => OveragePrice.Tiered(
            kind, volume ? PriceModel.Volume : PriceModel.Graduated,
            [.. widths.Select((_, i) => new PriceTier(widths.Take(i + 1).Sum(), new(prices[i] / 1_000m))), new PriceTier(null, new(prices[3] / 1_000m))])));

    private static readonly Gen<MenuTerms> AnyMenu = Gen.Select(AnyPrice(TokenKind.Output), AnyPrice(TokenKind.Reasoning), (output, reasoning) => MenuOf(output, reasoning));

    private static readonly Gen<PlanTokens[]> AnyUsage = Gen.Select(Gen.OneOf(Gen.Const(TokenKind.Output), Gen.Const(TokenKind.Reasoning)), Gen.Long[0, 3_000_000], (kind, tokens) => Tokens(Metered, kind, tokens)).Array[1, 8];

    private static readonly Gen<AccountEvent[]> AnyAgreement = Gen.OneOf(
        Gen.Const(Array.Empty<AccountEvent>()), Gen.Long[1, 4_000].Select(cents => new AccountEvent[] { Minimum(cents * 10_000), PercentOff("15", DiscountScope.Usage) }),
        Gen.Long[1, 3_000_000].Select(tokens => new AccountEvent[] { PercentOff("7"), Prepaid(tokens) }));

    [Fact]
    public void B1_however_usage_is_split_and_ordered_it_costs_the_same_and_no_token_is_lost() => Gen.Select(AnyMenu, AnyUsage, AnyAgreement, Gen.Int).Sample((menu, usage, agreed, seed) =>
    {
        var terms = Agreed(menu, agreed);
        PlanTokens[] halves = [.. usage.SelectMany(u => new[] { u with { Tokens = u.Tokens / 3 }, u with { Tokens = u.Tokens - u.Tokens / 3 } })];
        new Random(seed).Shuffle(halves);
        var once = InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, usage)), terms);
        return once == InvoiceRating.Rate(FactsAfter([Opened(Metered), .. halves.Select((h, i) => Usage(i + 1, h))]), terms)
            && once.Lines.Sum(l => l.Tokens) == usage.Sum(u => u.Tokens) && Micros.Sum(once.Lines.Select(l => l.AmountMicros)) == once.TotalMicros && once.TotalMicros >= Micros.Zero;
    });

    [Fact]
    public void Beyond_the_cap_each_kind_costs_its_price_once_for_the_whole_period() => Gen.Select(AnyMenu, AnyUsage).Sample((menu, usage) =>
    {
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, usage)), Book(menu));
        var beyond = rated.Lines.Where(l => l.Kind == LineKinds.Overage).GroupBy(l => l.TokenKind!.Value);
        var exact = 5_000_000 + beyond.Sum(k => menu.Plans[1].PriceOf(k.Key).MicrosFor(k.Sum(l => l.Tokens)));
        return Math.Abs(rated.TotalMicros.Value - exact) <= 5_000;
    });

    [Fact]
    public void B3_usage_that_comes_late_in_any_parts_costs_what_it_would_have_cost_in_time() => Gen.Select(AnyMenu, AnyUsage, AnyUsage, AnyUsage).Sample((menu, inTime, late, later) =>
    {
        long Total(params PeriodEvent[] events) => InvoiceRating.Rate(FactsAfter(events), Book(menu)).TotalMicros.Value;
        ValueList<PlanTokens> Sum(params PlanTokens[][] usage) => FactsAfter(Opened(Metered), Usage(1, [.. usage.SelectMany(u => u)])).Usage;
        LateUsageAdded Added(ValueList<PlanTokens> before, ValueList<PlanTokens> added) => new(January, Menu, 0, Jan1, Feb1, 9, before, added, Mar1);
        var (february, march) = (Total(Opened(Metered, 1), Added(Sum(inTime), Sum(late))), Total(Opened(Metered, 1), Added(Sum(inTime, late), Sum(later))));
        var parts = Total(Opened(Metered), Usage(1, inTime)) + february + march - 2 * Total(Opened(Metered, 1));
        return Math.Abs(parts - Total(Opened(Metered), Usage(1, [.. inTime, .. late, .. later]))) <= 2 * 10_000;
    });
}
