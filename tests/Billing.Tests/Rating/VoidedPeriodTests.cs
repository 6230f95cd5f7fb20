using Billing.Accounts;
using Billing.Invoices;
using Billing.Periods;
using Billing.Rating;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>
/// January came to 12.50: 5.00, and 7.50 for 601,000 tokens of output. Its invoice was voided, and usage of it is recorded late, each time on the invoice of another period: a million of output is 12.50, of reasoning 25.00.
/// </summary>
public sealed class VoidedPeriodTests
{
    private static readonly PeriodFacts InJanuary = FactsAfter(Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 601_000)));
    private static readonly HashSet<string> Voided = [January];

    /// <summary>What each says of output and reasoning, what it is in cents, and what it is where the invoice was not voided, as up to version 8 where it was.</summary>
    public static TheoryData<string, AccountEvent[], (long Output, long Reasoning)[], long[], long[]> Late => new()
    {
        { "taken back", [], [(-600_000, 0)], [0], [-750] },
        { "more", [], [(400_000, 0)], [500], [500] },
        { "taken back and recorded again", [], [(-600_000, 0), (600_000, 0)], [0, 0], [-750, 750] },
        { "taken back, and more recorded than there had been", [], [(-600_000, 0), (1_000_000, 0)], [0, 500], [-750, 1_250] },
        { "what was demanded late is given back", [], [(400_000, 0), (-400_000, 0)], [500, -500], [500, -500] },
        { "and no more than that", [], [(400_000, 0), (-900_000, 0)], [500, -500], [500, -1_125] },
        { "recorded as a dearer kind, at less", [], [(-601_000, 101_000)], [0], [-500] },
        { "recorded as a dearer kind, at more", [], [(-601_000, 401_000)], [250], [250] },
        { "nothing that costs", [], [(0, 0)], [0], [0] },
        { "more, with its discount", [PercentOff("10", DiscountScope.Usage)], [(400_000, 0)], [450], [450] },
        { "taken back, with its discount", [PercentOff("10", DiscountScope.Usage)], [(-600_000, 0)], [0], [-675] },
        { "more than its discount took off", [AmountOff(10_000_000, DiscountScope.Usage)], [(400_000, 0)], [250], [250] },
        { "more, where nobody paid the minimum", [Minimum(20_000_000)], [(600_000, 0)], [750], [0] },
        { "taken back, where nobody paid the minimum", [Minimum(20_000_000)], [(-600_000, 0)], [0], [0] },
    };

    [Theory, MemberData(nameof(Late))]
    public void Nothing_goes_back_that_was_on_a_void_invoice_and_what_goes_beyond_it_is_demanded(string what, AccountEvent[] agreed, (long Output, long Reasoning)[] late, long[] cents, long[] before)
    {
        var terms = Agreed(agreed).Earlier(InJanuary);
        Assert.Equal(
            (what, string.Join(' ', cents), string.Join(' ', before), string.Join(' ', before)),
            (what, Demanded(terms with { VoidedPeriods = Voided }), Demanded(terms), Demanded(terms with { VoidedPeriods = Voided, RatingVersion = RatingVersions.TaxedAsServed })));

        string Demanded(RatingTerms by)
        {
            var (usage, amounts) = (InJanuary.Usage, new List<long>());
            foreach (var (output, reasoning) in late)
            {
                PlanTokens[] added = [Tokens(Metered, TokenKind.Output, output), .. reasoning == 0 ? [] : new[] { Tokens(Metered, TokenKind.Reasoning, reasoning) }];
                var lines = InvoiceRating.Rate(FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 9, usage, [.. added], Mar1)), by).Lines.Where(l => l.AboutPeriodId == January).ToArray();
                Assert.Equal(output + reasoning, lines.Sum(l => l.Tokens));
                amounts.Add(lines.Sum(l => l.AmountMicros.Value) / 10_000);
                usage = usage.Plus([.. added]);
            }
            return string.Join(' ', amounts);
        }
    }

    [Fact]
    public void B3_in_the_end_exactly_what_goes_beyond_a_void_invoice_is_demanded_under_any_minimum_and_discount() =>
        Gen.Select(AgreedTermsProperties.AnyTerms("USD"), AgreedTermsProperties.AnyMonth, AgreedTermsProperties.AnyMonth.Array[1, 3]).Sample((any, month, then) =>
        {
            // Credit and tax belong to the invoice that the usage is on.
            var agreed = any with { Account = any.Account with { Credit = [], Taxes = [] } };
            var list = agreed with { Account = agreed.Account with { Commitments = [] } };
            var january = FactsAfter([Opened(Metered), .. month]);
            var terms = agreed.Earlier(january) with { VoidedPeriods = Voided };
            long Total(PeriodFacts facts, RatingTerms by) => InvoiceRating.Rate(facts, by).TotalMicros.Value;
            var (alone, usage, demanded) = (Total(FactsAfter(Opened(Metered, 1)), terms), january.Usage, 0L);
            foreach (var next in then.Select(m => FactsAfter([Opened(Metered), .. m]).Usage))
            {
                var added = next.Plus(usage.Select(u => u with { Tokens = -u.Tokens }).ToValueList());
                demanded += Total(FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 9, usage, added, Mar1, january.Plans)), terms) - alone;
                usage = usage.Plus(added);
                var beyond = Math.Max(Total(january with { Usage = usage }, list) - Total(january, list), 0);
                if (Math.Abs(demanded - beyond) > (then.Length + 2) * 10_000) return false;
            }
            return true;
        });

    [Fact]
    public void The_cut_names_the_periods_whose_invoices_are_void()
    {
        var terms = Agreed().Earlier(InJanuary) with { EarlierAccounts = new Dictionary<string, AccountState> { [January] = AccountState.Initial }, VoidedPeriods = Voided };
        PeriodState Closing(params PeriodEvent[] late) => PeriodAfter([Opened(Metered, 1), .. late, Closed()]);
        InvoiceTermsCut Cut(RatingTerms by) => (InvoiceTermsCut)FinalizeInvoiceDecision
            .Decide(new(Closing(new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 9, InJanuary.Usage, [Tokens(Metered, TokenKind.Output, 400_000)], Mar1)), by, "INV-000002", Mar1), InvoiceState.Initial).Events[0];
        Assert.Equal((true, RatingVersions.VoidNotGivenBack), (Cut(terms).Earlier!.Single().Voided, Cut(terms).RatingVersion));
        Assert.Null(Cut(terms with { VoidedPeriods = new HashSet<string>() }).Earlier!.Single().Voided);
    }
}
