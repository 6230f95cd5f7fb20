using Billing.Accounts;
using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>What each version of rating does otherwise than the one before, and that what was issued by that is rated as it was.</summary>
public sealed class RatingVersionTests
{
    private static readonly DateTimeOffset Apr1 = Jan1.AddMonths(3);
    private static readonly TaxRateSet FromApril = Vat with { From = Apr1, At = Jan1.AddDays(78) };
    private static readonly PeriodFacts March = FactsAfter(Opened(Metered) with { Start = Mar1, End = Apr1 }), April = FactsAfter(Opened(Metered) with { Start = Apr1, End = Apr1.AddMonths(1) });

    private static RatingTerms Taxed(params TaxRateSet[] rates) => Agreed() with { Seller = SellerAfter(rates), Identity = Identity(new CustomerTaxSet("DE", "BE", TaxStatus.Business, Jan1)) };

    private static IEnumerable<string> TaxOf(PeriodFacts facts, RatingTerms terms) => InvoiceRating.Rate(facts, terms).Lines.Where(l => l.Kind == LineKinds.Tax).Select(l => l.Description);

    private static RatingTerms Before(RatingTerms terms) => terms with { RatingVersion = RatingVersions.PublishedOrder };

    [Fact]
    public void A_rate_does_not_tax_what_ended_before_it_began()
    {
        Assert.Equal(["No tax: the seller has no rate for subscription in DE"], TaxOf(March, Taxed(FromApril)));
        Assert.Equal(["VAT 19 % (DE)"], TaxOf(April, Taxed(FromApril)));
        Assert.Equal(["VAT 19 % (DE)"], TaxOf(March, Before(Taxed(FromApril))));
    }

    [Fact]
    public void Each_product_is_taxed_from_the_day_of_its_own_rate()
    {
        var used = March with { Usage = [Tokens(Metered, TokenKind.Output, 601_000)] };
        Assert.Equal(["VAT 19 % (DE)", "No tax: the seller has no rate for usage in DE"], TaxOf(used, Taxed(Vat with { Product = Products.Subscription }, FromApril with { Product = Products.Usage })));
    }

    [Fact]
    public void A_region_whose_rates_are_to_come_has_its_countrys_until_then()
    {
        var terms = Taxed(Vat, FromApril with { Jurisdiction = "DE-BE", Rate = Percent.Parse("21") });
        Assert.Equal([["VAT 19 % (DE)"], ["VAT 21 % (DE-BE)"]], new[] { March, April }.Select(f => TaxOf(f, terms)));
        Assert.Equal(["VAT 21 % (DE-BE)"], TaxOf(March, Before(terms)));
    }

    private static ValueList<CreditDraw> Drawn(RatingTerms terms, params PlanTokens[] usage) => InvoiceRating.Rate(FactsAfter(Opened(Metered), Usage(1, usage)), terms).Draws;

    private static readonly PlanTokens Output = Tokens(Metered, TokenKind.Output, 601_000);

    /// <summary>What makes 600,000 tokens of output cost nothing.</summary>
    public static TheoryData<string, AccountEvent[]> ForNothing => new()
    {
        { "all of it is taken off", [PercentOff("100", DiscountScope.Usage)] },
        { "in two steps", [PercentOff("50", DiscountScope.Usage), PercentOff("100", id: "dis_3")] },
        { "an amount that is more than the whole", [AmountOff(99_000_000)] },
        { "or than what a percentage left of it", [PercentOff("33.333333"), AmountOff(99_000_000)] },
    };

    [Theory, MemberData(nameof(ForNothing))]
    public void Tokens_paid_in_advance_are_kept_where_usage_costs_nothing(string why, AccountEvent[] events)
    {
        _ = why;
        var terms = Agreed([.. events, Prepaid(900_000)]);
        Assert.Empty(Drawn(terms, Output));
        Assert.Equal([new CreditDraw("crd_2", 600_000, Micros.Zero)], Drawn(Before(terms), Output));
    }

    [Fact]
    public void Tokens_paid_in_advance_are_kept_however_usage_came_to_cost_nothing() => Gen.Select(Gen.Int[1, 99_999_999].Array[0, 3], Gen.Long[1_001, 9_000_000]).Sample((millionths, output) =>
    {
        var percents = millionths.Select((p, i) => PercentOff("1", id: $"dis_{i}") with { Off = new(p / 1_000_000m) });
        return Drawn(Agreed([.. percents, AmountOff(999_000_000, id: "all"), Prepaid(9_000_000)]), Output with { Tokens = output }).Count == 0;
    });

    [Fact]
    public void Tokens_paid_in_advance_are_kept_where_a_kind_costs_nothing()
    {
        var terms = Agreed(Menu(new(TokenKind.Output, UnitPrice.Parse("12.5")), new(TokenKind.Reasoning, default)), Prepaid(900_000));
        PlanTokens[] usage = [Tokens(Metered, TokenKind.Output, 101_000), Tokens(Metered, TokenKind.Reasoning, 500_000)];
        Assert.Equal([new CreditDraw("crd_2", 100_000, new(1_250_000))], Drawn(terms, usage));
        Assert.Equal([100_000L, 500_000], Drawn(Before(terms), usage).Select(d => d.Tokens));
    }

    [Theory]
    [InlineData(PriceModel.Graduated, 300_000)]
    [InlineData(PriceModel.Volume, 0)]
    public void Tokens_paid_in_advance_are_kept_where_a_tier_costs_nothing(PriceModel model, long drawn)
    {
        var terms = Agreed(Menu(OveragePrice.Tiered(TokenKind.Output, model, [new(300_000, UnitPrice.Parse("12.5")), new(null, default)]), new(TokenKind.Reasoning, default)), Prepaid(900_000));
        Assert.Equal(drawn, Drawn(terms, Output).Sum(d => d.Tokens));
        Assert.Equal(600_000, Drawn(Before(terms), Output).Sum(d => d.Tokens));
    }

    private static MenuTerms Menu(params OveragePrice[] prices) => Some.Terms() with { Plans = [Some.Terms().Plans[0], Some.Terms().Plans[1] with { Overage = prices.ToValueList() }] };

    [Fact]
    public void Half_a_unit_is_rounded_up_whatever_was_divided_on_the_way()
    {
        // 36.11 % of 5.000 are 1.8055; of usage nothing is left, but for what dividing by it left over.
        var terms = Agreed(Some.Terms("KWD"), AmountOff(1_730_000, DiscountScope.Usage), AmountOff(2_474_000, DiscountScope.Usage, "dis_3"), PercentOff("63.89", DiscountScope.Subscription), Prepaid(9_000_000));
        var facts = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 2_125_911)));
        Assert.Equal([1_806_000L, 1_805_000], new[] { terms, Before(terms) }.Select(t => InvoiceRating.Rate(facts, t).TotalMicros.Value));
    }

    private static readonly PeriodFacts January = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 201_000)));
    private static readonly PeriodFacts LateInFebruary = FactsAfter(
        Opened(Metered, 1), new LateUsageAdded(Some.January, Some.Menu, 0, Jan1, Feb1, 9, January.Usage, [Tokens(Metered, TokenKind.Output, 400_000)], Mar1));

    /// <summary>400,000 tokens of output that come late are 5.00; January was 7.50. What is agreed since then holds for it by its dates, and ends with it.</summary>
    public static TheoryData<AccountEvent[], long, long> AgreedSince => new()
    {
        { [Minimum(12_000_000), new AgreementEnded("com_1", Feb1, Mar1)], 10_000_000, 5_500_000 }, // 4.50 were missing, and nobody was asked for them
        { [PercentOff("10"), new AgreementEnded("dis_1", Feb1, Mar1)], 10_000_000, 9_500_000 },
    };

    [Theory, MemberData(nameof(AgreedSince))]
    public void Late_usage_costs_what_was_agreed_when_its_period_was_invoiced(AccountEvent[] since, long total, long before)
    {
        var terms = Agreed(since).Earlier(January);
        var asThen = terms with { EarlierAccounts = new Dictionary<string, AccountState> { [Some.January] = AccountState.Initial } };
        Assert.Equal((total, before), (InvoiceRating.Rate(LateInFebruary, asThen).TotalMicros.Value, InvoiceRating.Rate(LateInFebruary, asThen with { RatingVersion = RatingVersions.Corrected }).TotalMicros.Value));
        // Of a period that is not invoiced yet as it is agreed now.
        Assert.Equal(before, InvoiceRating.Rate(LateInFebruary, terms).TotalMicros.Value);
    }

    [Fact]
    public void A_customer_is_taxed_as_what_it_was_at_the_last_moment_of_the_period_wherever_it_is()
    {
        // March ends in Los Angeles at 7:00 of 1 April by UTC; an hour before, the customer says that it is exempt.
        var march = March with { End = Apr1.AddHours(7), LocalTime = new("America/Los_Angeles", [new(Mar1, -420)]) };
        var terms = Taxed(Vat) with { Identity = Identity(new CustomerTaxSet("DE", "", TaxStatus.Business, Jan1), new CustomerTaxSet("DE", "", TaxStatus.Exempt, Apr1.AddHours(6))) };
        Assert.Equal(["Exempt from tax (DE)"], TaxOf(march, terms));
        Assert.Equal(["VAT 19 % (DE)"], TaxOf(march, terms with { RatingVersion = RatingVersions.Corrected }));
    }

    /// <summary>February ends at midnight: by UTC at 8:00 of 1 March in Los Angeles, at 15:00 of 28 February in Tokyo.</summary>
    [Theory]
    [InlineData("America/Los_Angeles", -480, 2, "VAT 19 % (DE)", "No tax: the seller has no rate for subscription in DE")]
    [InlineData("America/Los_Angeles", -480, 9, "No tax: the seller has no rate for subscription in DE", "No tax: the seller has no rate for subscription in DE")]
    [InlineData("Asia/Tokyo", 540, -10, "VAT 19 % (DE)", "VAT 19 % (DE)")]
    [InlineData("Asia/Tokyo", 540, -4, "No tax: the seller has no rate for subscription in DE", "VAT 19 % (DE)")]
    public void A_rate_from_now_on_begins_at_that_moment_wherever_the_customer_is(string zone, int minutes, int setAt, string tax, string before)
    {
        var february = FactsAfter(Opened(Metered) with { Start = Feb1.AddMinutes(-minutes), End = Mar1.AddMinutes(-minutes), LocalTime = new(zone, [new(Feb1.AddMinutes(-minutes), minutes)]) });
        var at = Mar1.AddHours(setAt);
        var terms = Taxed([.. SetTaxRateDecision.Decide(new("DE", "", "VAT", Percent.Parse("19"), null, at), SellerState.Initial).Events.Cast<TaxRateSet>()]);
        Assert.Equal([[tax], [before]], new[] { terms, terms with { RatingVersion = RatingVersions.AsAgreedThen } }.Select(t => TaxOf(february, t)));
    }

    [Fact]
    public void A_region_has_its_own_rate_from_the_moment_at_which_it_was_set()
    {
        var february = FactsAfter(Opened(Metered) with { Start = Feb1.AddHours(8), End = Mar1.AddHours(8), LocalTime = new("America/Los_Angeles", [new(Feb1, -480)]) });
        var terms = Taxed(Vat, Vat with { Jurisdiction = "DE-BE", Rate = Percent.Parse("21"), From = Mar1.AddHours(2), At = Mar1.AddHours(2), FromNow = true });
        Assert.Equal([["VAT 21 % (DE-BE)"], ["VAT 19 % (DE)"]], new[] { terms, terms with { RatingVersion = RatingVersions.AsAgreedThen } }.Select(t => TaxOf(february, t)));
    }

    /// <summary>
    /// 21 % was said of 1 March. At 2:00 UTC of that day 5 % is said from now on, or at 16:00 UTC of the day before, when that was 1 March in Tokyo: there the one began after the other, and elsewhere before it.
    /// </summary>
    [Theory]
    [InlineData("America/Los_Angeles", -480, 2, "5", "21")]
    [InlineData("America/Los_Angeles", -480, -8, "21", "21")]
    [InlineData("Asia/Tokyo", 540, 2, "5", "5")]
    [InlineData("Asia/Tokyo", 540, -8, "21", "5")]
    public void Of_two_rates_that_of_the_sellers_later_day_counts_and_of_one_day_the_later_word_wherever_the_customer_is(string zone, int minutes, int saidAt, string percent, string before)
    {
        var march = FactsAfter(Opened(Metered) with { Start = Mar1.AddMinutes(-minutes), End = Apr1.AddMinutes(-minutes), LocalTime = new(zone, [new(Mar1.AddMinutes(-minutes), minutes)]) });
        var (dated, now) = (Vat with { Rate = Percent.Parse("21"), From = Mar1 }, Vat with { Rate = Percent.Parse("5"), From = Mar1.AddHours(saidAt), At = Mar1.AddHours(saidAt), FromNow = true });
        var terms = Taxed(Vat, dated, now);
        Assert.Equal([[$"VAT {percent} % (DE)"], [$"VAT {before} % (DE)"]], new[] { terms, terms with { RatingVersion = RatingVersions.NotSubjectToVat } }.Select(t => TaxOf(march, t)));
        // The other way round.
        Assert.Equal(["VAT 21 % (DE)"], TaxOf(march, Taxed(Vat, now, dated)));
    }

    [Fact]
    public void What_was_issued_by_the_order_in_which_rates_began_keeps_its_bytes()
    {
        var march = FactsAfter(Opened(Metered) with { Start = Mar1.AddHours(8), End = Apr1.AddHours(8), LocalTime = new("America/Los_Angeles", [new(Mar1.AddHours(8), -480)]) });
        var terms = Taxed(Vat, Vat with { Rate = Percent.Parse("21"), From = Mar1 }, Vat with { Rate = Percent.Parse("5"), From = Mar1.AddHours(2), At = Mar1.AddHours(2), FromNow = true });
        string Document(int version, RatingTerms by) => System.Text.Encoding.UTF8.GetString(InvoiceDocument.Finalized(march, by, "INV-1", new("acct_1", 0, 3, Apr1, Apr1, 1, version)).ToUtf8());
        // As if the word from now on had not been: there it was the older one.
        var without = terms with { Seller = SellerAfter(Vat, Vat with { Rate = Percent.Parse("21"), From = Mar1 }) };
        Assert.All(Enumerable.Range(RatingVersions.RatesFromNow, 2), version => Assert.Equal(Document(version, without), Document(version, terms)));
        Assert.Contains("\"totalMicros\":6050000", Document(RatingVersions.NotSubjectToVat, terms), StringComparison.Ordinal);
        Assert.Contains("\"totalMicros\":5250000", Document(RatingVersions.RatesByDay, terms), StringComparison.Ordinal);
    }

    /// <summary>19 %, and 16 % from 15 March on; the subscription was cancelled on a day of the month, or runs.</summary>
    [Theory]
    [InlineData(null, "16", "16")]
    [InlineData(10, "19", "16")]
    [InlineData(20, "16", "16")]
    public void A_cancelled_subscription_is_taxed_as_of_its_end(int? cancelledOn, string percent, string before)
    {
        var march = FactsAfter([Opened(Metered) with { Start = Mar1, End = Apr1 }, .. cancelledOn is { } day ? new PeriodEvent[] { new PeriodPlanEnded(Mar1.AddDays(day - 1), Mar1.AddDays(day - 1)) } : []]);
        var terms = Taxed(Vat, Vat with { Rate = Percent.Parse("16"), From = Mar1.AddDays(14) });
        Assert.Equal([[$"VAT {percent} % (DE)"], [$"VAT {before} % (DE)"]], new[] { terms, terms with { RatingVersion = RatingVersions.RatesByDay } }.Select(t => TaxOf(march, t)));
    }

    /// <summary>Whatever the table, an agreement or the customer's identity says.</summary>
    public static TheoryData<SellerEvent[], AccountEvent[], string> NotSubject => new()
    {
        { [], [], "" },
        { [Vat], [], "VAT 19 % (DE)" },
        { [Vat with { Jurisdiction = "FR" }], [], "No tax: the seller has no rate for subscription in DE" },
        { [Vat], [Terms.Taxed() with { From = Mar1 }], "VAT 19 % (DE)" },
        { [], [Terms.Taxed(TaxTreatment.ReverseCharge)], "Reverse charge: the customer owes the tax (DE)" },
    };

    [Theory, MemberData(nameof(NotSubject))]
    public void A_seller_that_is_not_subject_to_VAT_taxes_nothing(SellerEvent[] table, AccountEvent[] agreed, string before)
    {
        var terms = Agreed(agreed) with { Seller = SellerAfter([SellerNotSubjectToVat, .. table]), Identity = table.Length == 0 ? null : Identity(new CustomerTaxSet("DE", "BE", TaxStatus.Business, Jan1)) };
        Assert.Empty(TaxOf(March, terms));
        Assert.Equal(before.Length == 0 ? [] : [before], TaxOf(March, terms with { RatingVersion = RatingVersions.RatesFromNow }));
        // Once it does not say so any more it is taxed as everybody else.
        Assert.Equal(before.Length == 0 ? [] : [before], TaxOf(March, terms with { Seller = SellerState.Evolve(terms.Seller, SellerInGermany) }));
    }

    [Fact]
    public void An_invoice_is_rated_by_the_version_that_its_cut_names()
    {
        var terms = Taxed(FromApril);
        string Document(int? version) => System.Text.Encoding.UTF8.GetString(InvoiceDocument.Finalized(March, terms, "INV-1", new("acct_1", 0, 1, Apr1, Apr1, 1, version)).ToUtf8());
        Assert.Contains("\"totalMicros\":5950000", Document(null), StringComparison.Ordinal);
        Assert.Contains("\"totalMicros\":5950000", Document(RatingVersions.PublishedOrder), StringComparison.Ordinal);
        Assert.Contains("\"totalMicros\":5000000", Document(RatingVersions.Corrected), StringComparison.Ordinal);
    }

    [Fact]
    public void Whoever_chooses_one_reads_of_every_one() => Assert.Equal(RatingVersions.Latest, RatingVersions.InWords.Distinct().Count());
}
