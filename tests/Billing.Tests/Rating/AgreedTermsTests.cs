using Billing.Accounts;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>Worked sums on the metered plan: 5.00, 1,000 generated tokens included, output at 12.5 per million beyond.</summary>
public sealed class AgreedTermsTests
{
    private static PeriodFacts January(long output) => FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, output)));

    private static long[] Amounts(RatedInvoice rated, params string[] kinds) => [.. rated.Lines.Where(l => kinds.Contains(l.Kind)).Select(l => l.AmountMicros.Value / 10_000)];

    /// <summary>Terms, output tokens, and the amounts in cents of what the terms add, then the total.</summary>
    public static TheoryData<string, AccountEvent[], long, long[], long> Sums => new()
    {
        { "a minimum of 20.00 over a list price of 12.50", [Minimum(20_000_000)], 601_000, [750], 2_000 },
        { "a minimum that is reached", [Minimum(12_000_000)], 601_000, [], 1_250 },
        { "10 % off 5.00 and 7.50", [PercentOff("10")], 601_000, [-50, -75], 1_125 },
        { "10 % off usage only", [PercentOff("10", DiscountScope.Usage)], 601_000, [-75], 1_175 },
        { "4.00 off, in proportion 5.00 to 7.50", [AmountOff(4_000_000)], 601_000, [-160, -240], 850 },
        { "an amount never takes more than there is", [AmountOff(99_000_000)], 601_000, [-500, -750], 0 },
        { "percentages go first, each of what is left", [AmountOff(1_000_000, DiscountScope.Subscription), PercentOff("50"), PercentOff("10", id: "dis_3")], 601_000, [-250, -375, -25, -37, -100], 463 },
        { "a discount does not raise the minimum", [Minimum(20_000_000), PercentOff("50")], 601_000, [750, -625, -375], 1_000 },
        { "100,000 tokens paid in advance at 12.5 per million", [Prepaid(100_000)], 601_000, [-125], 1_125 },
        { "worth what they would have cost after discounts", [Prepaid(100_000), PercentOff("10", DiscountScope.Usage)], 601_000, [-75, -112], 1_063 },
        { "more tokens than were used", [Prepaid(900_000)], 601_000, [-750], 500 },
        { "tokens of another kind", [Prepaid(900_000, kinds: TokenKind.Reasoning)], 601_000, [], 1_250 },
        { "money in proportion to what is left", [Money(5_000_000)], 601_000, [-200, -300], 750 },
        { "money that is more than the invoice", [Money(50_000_000)], 601_000, [-500, -750], 0 },
        { "what expires first is used first, a lower priority before", [Money(4_000_000, "b", 1, Mar1), Money(2_000_000, "a", 1, Feb1), Money(1_000_000, "c")], 1_000, [-100, -200, -200], 0 },
        { "what expired before the period began", [Money(4_000_000, expires: Jan1)], 1_000, [], 500 },
        { "tax on what is left", [Money(5_000_000), Taxed()], 601_000, [-200, -300, 143], 893 },
        {
            "the sum that the README works", [Minimum(20_000_000), PercentOff("10", DiscountScope.Usage), Prepaid(100_000), Money(5_000_000), Taxed()], 601_000,
            [750, -75, -112, -345, -155, 249], 1_562
        },
        { "exempt", [Taxed(TaxTreatment.Exempt, "cert. 7")], 601_000, [0], 1_250 },
        { "reverse charge", [Taxed(TaxTreatment.ReverseCharge, "FR12345678901")], 601_000, [0], 1_250 },
    };

    [Theory, MemberData(nameof(Sums))]
    public void Terms_change_an_invoice_in_the_published_order(string what, AccountEvent[] events, long output, long[] added, long total)
    {
        _ = what;
        var rated = InvoiceRating.Rate(January(output), Agreed(events));
        Assert.Equal(added, Amounts(rated, LineKinds.Commitment, LineKinds.Discount, LineKinds.PrepaidTokens, LineKinds.Credit, LineKinds.Tax));
        Assert.Equal(total, rated.TotalMicros.Value / 10_000);
    }

    [Fact]
    public void A_period_that_was_cut_short_owes_that_part_of_the_minimum()
    {
        var halved = FactsAfter(Opened(Metered), new PeriodPlanEnded(Jan1.AddDays(15.5), Jan1.AddDays(15.5)));
        Assert.Equal(10_000_000, InvoiceRating.Rate(halved, Agreed(Minimum(20_000_000))).TotalMicros.Value);
    }

    [Fact]
    public void What_is_drawn_is_what_the_invoice_used_and_leaves_the_account()
    {
        AccountEvent[] granted = [Prepaid(700_000), Money(4_000_000, "m", expires: Mar1)];
        var rated = InvoiceRating.Rate(January(601_000), Agreed(granted));
        Assert.Equal([new CreditDraw("crd_2", 600_000, new(7_500_000)), new CreditDraw("m", 0, new(4_000_000))], rated.Draws);
        var after = AccountAfter([.. granted, new CreditDrawn("inv_1", rated.Draws, Feb1)]);
        Assert.Equal([100_000L, 0L], after.Credit.Select(g => g.Left));
        Assert.Equal([700_000L, 4_000_000L], AccountState.Evolve(after, new CreditReturned("inv_1", Feb1)).Credit.Select(g => g.Left));
    }

    [Fact]
    public void Agreements_hold_for_periods_that_start_within_them()
    {
        var february = FactsAfter(Opened(Metered, 1));
        Assert.Equal(4_500_000, InvoiceRating.Rate(february, Agreed(PercentOff("10"))).TotalMicros.Value);
        Assert.Equal(5_000_000, InvoiceRating.Rate(february, Agreed(PercentOff("10"), new AgreementEnded("dis_1", Feb1, Jan1))).TotalMicros.Value);
        Assert.Equal(4_500_000, InvoiceRating.Rate(january(), Agreed(PercentOff("10"), new AgreementEnded("dis_1", Feb1, Jan1))).TotalMicros.Value);
        Assert.Equal(5_000_000, InvoiceRating.Rate(january(), Agreed(PercentOff("10") with { From = Jan1.AddDays(1) })).TotalMicros.Value);
        static PeriodFacts january() => January(0);
    }

    [Fact]
    public void The_rate_is_that_of_the_periods_last_moment_and_of_the_product_first()
    {
        SellerEvent[] table =
        [
            Vat, Vat with { Rate = Percent.Parse("20"), From = Feb1 }, Vat with { Rate = Percent.Parse("16"), From = Feb1.AddDays(-1) }, Vat with { Product = Products.Usage, Rate = Percent.Parse("7"), From = Jan1 },
        ];
        var rated = InvoiceRating.Rate(January(601_000), Agreed(Taxed()) with { Seller = SellerAfter(table) });
        Assert.Equal([("16", 500L, 80L), ("7", 750L, 53L)],
            rated.Lines.Where(l => l.Kind == LineKinds.Tax).Select(l => (l.Tax!.Rate.ToString(), l.Tax.BaseMicros.Value / 10_000, l.AmountMicros.Value / 10_000)));
    }

    [Theory, InlineData("JPY", 1_000_000, 6_000_000), InlineData("KWD", 1_000, 5_950_000)]
    public void Tax_is_in_minor_units_of_its_currency(string currency, long unit, long total)
    {
        var rated = InvoiceRating.Rate(January(0), Agreed(Some.Terms(currency), Taxed()));
        Assert.All(rated.Lines, l => Assert.Equal(0, l.AmountMicros.Value % unit));
        Assert.Equal(total, rated.TotalMicros.Value);
    }

    [Fact]
    public void B3_late_usage_fills_the_minimum_of_its_own_period_and_takes_its_discount()
    {
        // January: 5.00 and 2.50, topped up to 12.00. Late: 400,000 more are 5.00, of which 4.50 were paid with the minimum.
        var january = January(201_000);
        var late = new LateUsageAdded(Some.January, Menu, 0, Jan1, Feb1, 9, january.Usage, [Tokens(Metered, TokenKind.Output, 400_000)], Mar1);
        var ended = new AgreementEnded("com_1", Feb1, Jan1);
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered, 1), late), Agreed(Minimum(12_000_000), ended).Earlier(january));
        Assert.Equal([500, -450], Amounts(rated, LineKinds.Adjustment, LineKinds.Commitment));
        Assert.Equal((550, Some.January), (rated.TotalMicros.Value / 10_000, rated.Lines.Single(l => l.Kind == LineKinds.Commitment).AboutPeriodId));
        var discounted = InvoiceRating.Rate(FactsAfter(Opened(Metered, 1), late), Agreed(PercentOff("10"), new AgreementEnded("dis_1", Feb1, Jan1)).Earlier(january));
        Assert.Equal([500, -50], Amounts(discounted, LineKinds.Adjustment, LineKinds.Discount));
    }
}
