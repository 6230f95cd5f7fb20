using Billing.Accounts;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;
using CsCheck;
using static Billing.Tests.Some;
using static Billing.Tests.Terms;

namespace Billing.Tests.Rating;

/// <summary>Whatever was agreed, in any currency, with any usage.</summary>
public sealed class AgreedTermsProperties
{
    internal static readonly Gen<UsageApplied[]> AnyMonth =
        Gen.Select(Gen.OneOf(Gen.Const(Small), Gen.Const(Metered)), Gen.Enum<TokenKind>(), Gen.Long[0, 5_000_000], (plan, kind, tokens) => Tokens(plan, kind, tokens))
            .Array[1, 4].Array[0, 8].Select(reports => reports.Select((r, i) => Usage(i + 1, r)).ToArray());

    private static readonly Gen<Percent> AnyPercent = Gen.Int[1, 10_000].Select(n => new Percent(n / 100m));

    internal static Gen<RatingTerms> AnyTerms(string currency)
    {
        var unit = Currency.Parse(currency).MinorUnit.Value;
        var amount = Gen.Long[1, 5_000].Select(n => n * unit);
        var expiry = Gen.OneOf(Gen.Const((DateTimeOffset?)null), Gen.Const((DateTimeOffset?)Feb1), Gen.Const((DateTimeOffset?)Mar1));
        var scope = Gen.Enum<DiscountScope>();
        var agreements = Gen.OneOf(
            amount.Select(a => (AccountEvent)Minimum(a)),
            Gen.Select(AnyPercent, scope, (p, s) => (AccountEvent)(PercentOff("1", s) with { Off = p })),
            Gen.Select(amount, scope, (a, s) => (AccountEvent)AmountOff(a, s)),
            Gen.Select(amount, Gen.Int[0, 2], expiry, (a, p, e) => (AccountEvent)Money(a, "", p, e)),
            Gen.Select(Gen.Long[1, 3_000_000], Gen.Int[0, 2], expiry, (t, p, e) => (AccountEvent)Prepaid(t, "", p, e)),
            Gen.Enum<TaxTreatment>().Select(t => (AccountEvent)Taxed(t, "note"))).Array[0, 7].Select(events => events.Select(Numbered).ToArray());
        return Gen.Select(agreements, AnyPercent, AnyPercent, (events, rate, usage) => Agreed(Terms(currency), events) with
        {
            Seller = SellerAfter(Seller, Vat with { Rate = rate }, Vat with { Rate = usage, Product = Products.Usage }),
        });
    }

    private static AccountEvent Numbered(AccountEvent e, int i) => e switch
    {
        CommitmentAgreed c => c with { CommitmentId = $"com_{i}" },
        DiscountGranted d => d with { DiscountId = $"dis_{i}" },
        MoneyCreditGranted m => m with { GrantId = $"crd_{i}" },
        TokenCreditGranted t => t with { GrantId = $"crd_{i}" },
        _ => e,
    };

    private static readonly Gen<RatingTerms> AnyAgreement = Gen.OneOf(AnyTerms("USD"), AnyTerms("JPY"), AnyTerms("KWD"));

    private static MenuTerms Terms(string currency) => Some.Terms(currency);

    [Fact]
    public void B1_lines_add_up_to_what_fee_usage_and_terms_come_to_and_tokens_too_under_any_agreement() => Gen.Select(AnyAgreement, AnyMonth).Sample((terms, month) =>
    {
        var facts = FactsAfter([Opened(Metered), .. month]);
        var rated = InvoiceRating.Rate(facts, terms);
        var unit = terms.Menus[Menu].Currency.MinorUnit.Value;
        return (rated.TotalMicros.Value, rated.Draws.Sum(d => d.Tokens)) == ExactInvoice.Of(facts, terms)
            && Micros.Sum(rated.Lines.Select(l => l.AmountMicros)) == rated.TotalMicros
            && rated.Lines.All(l => l.AmountMicros.Value % unit == 0)
            && rated.Lines.Sum(l => l.Tokens) == month.Sum(u => u.Lines.Sum(t => t.Tokens))
            && rated.TotalMicros >= Micros.Zero;
    }, seed: "4END9qgvA2_2"); // First the one whose fully discounted products rounded to a cent above and a cent below nothing.

    [Fact]
    public void No_grant_gives_more_than_it_has_and_what_is_drawn_can_be_drawn() => Gen.Select(AnyAgreement, AnyMonth).Sample((terms, month) =>
    {
        var rated = InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month]), terms);
        var drawn = DrawCreditDecision.Decide(new DrawCredit("inv_1", rated.Draws, Feb1), terms.Account);
        return drawn.Refused is null && drawn.Events.Aggregate(terms.Account, AccountState.Evolve).Credit.All(g => g.Left >= 0);
    });

    [Fact]
    public void The_order_of_usage_does_not_matter_under_any_agreement() => Gen.Select(AnyAgreement, AnyMonth, Gen.Int).Sample((terms, month, seed) =>
    {
        UsageApplied[] shuffled = [.. month];
        new Random(seed).Shuffle(shuffled);
        return InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month]), terms) == InvoiceRating.Rate(FactsAfter([Opened(Metered), .. shuffled]), terms);
    });

    [Fact]
    public void B3_late_usage_costs_what_it_would_have_cost_in_time_under_any_minimum_and_discount() => Gen.Select(AnyTerms("USD"), AnyMonth, AnyMonth).Sample((any, month, late) =>
    {
        // Credit and tax belong to the invoice that the usage is on.
        var terms = any with { Account = any.Account with { Credit = [], Taxes = [] } };
        var before = FactsAfter([Opened(Metered), .. month]);
        var inTime = InvoiceRating.Rate(FactsAfter([Opened(Metered), .. month, .. late]), terms).TotalMicros;
        var first = InvoiceRating.Rate(before, terms).TotalMicros;
        var then = InvoiceRating.Rate(
            FactsAfter(Opened(Metered, 1), new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 9, before.Usage, FactsAfter([Opened(Metered), .. late]).Usage, Mar1, before.Plans)), terms.Earlier(before)).TotalMicros;
        var alone = InvoiceRating.Rate(FactsAfter(Opened(Metered, 1)), terms).TotalMicros;
        return Math.Abs((first + then - alone - inTime).Value) <= 2 * 10_000;
    });

    [Fact]
    public void Credit_notes_in_any_parts_add_up_to_the_invoice_and_no_part_goes_below_zero() => Gen.Select(AnyAgreement, AnyMonth, Gen.Int[1, 9]).Sample((terms, month, notes) =>
    {
        var document = InvoiceDocument.Finalized(FactsAfter([Opened(Metered), .. month]), terms, "INV-1", new("", 0, 0, Feb1, Feb1));
        var (unit, total) = (document.Currency.MinorUnit.Value, document.Rated.TotalMicros.Value);
        if (total < notes * unit) return true;
        var parts = TaxedParts.Of(System.Text.Encoding.UTF8.GetString(document.ToUtf8()));
        InvoiceState state = new InvoiceState.Finalized(null, new("INV-1", January, Subscription, Customer, document.Currency, new(total), "", Feb1), [], [], [], null);
        for (var i = 1; i <= notes; i++)
        {
            Micros? amount = i == notes ? null : new Micros(total / notes / unit * unit);
            var decision = IssueCreditNoteDecision.Decide(new("inv", $"cn_{i}", $"CN-{i}", amount, "why", parts, Feb1), state);
            // Rounding may have put a part of the invoice itself a unit below zero: then the last note's is too.
            if (decision.Refused is not null || ((CreditNoteIssued)decision.Events[0]).Parts.Zip(parts).Any(p => p.First.NetMicros.Value < Math.Min(0, p.Second.NetMicros.Value) || p.First.TaxMicros.Value < Math.Min(0, p.Second.TaxMicros.Value))) return false;
            state = decision.Events.Aggregate(state, InvoiceState.Evolve);
        }
        var credited = (InvoiceState.Finalized)state;
        return credited.OutstandingMicros == Micros.Zero
            && parts.Select((p, i) => p.NetMicros == Micros.Sum(credited.CreditNotes.Select(n => n.Parts[i].NetMicros)) && p.TaxMicros == Micros.Sum(credited.CreditNotes.Select(n => n.Parts[i].TaxMicros))).All(same => same);
    }, seed: "9ps61hxleYY1"); // First the one with a part that rounding had put a unit below zero.
}
