using Billing.Accounts;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 10: for each rate, the rate applied to the rounded amounts before tax, to the nearest minor unit, a half away from zero: what
/// a tax office computes from the printed invoice. Treatment and rate are those of the last moment served, by the customer's clocks. Where no
/// tax is charged because something is not known, the invoice says so; a seller that is not subject to VAT charges none, whatever else is known, and says so at the head.
/// </summary>
public static class Tax
{
    /// <param name="lines">rounded, credit included</param>
    public static IEnumerable<InvoiceLine> Lines(PeriodFacts facts, IReadOnlyList<InvoiceLine> lines, RatingTerms terms)
    {
        if (terms.Seller.Seller is { NotSubjectToVat: true } && terms.RatingVersion >= RatingVersions.NotSubjectToVat) yield break;
        var (on, moment) = LastServed(facts, terms);
        if (terms.TaxOn(on, moment) is not { } status)
        {
            if (terms.Identity is not null && terms.Seller.Rates.Count > 0) yield return Line(facts, "No tax: it is not known how the customer is taxed", Micros.Zero, null);
            yield break;
        }
        decimal unit = terms.Menus[facts.MenuId].Currency.MinorUnit.Value;
        if (status.Treatment != TaxTreatment.Standard)
        {
            var whole = Micros.Sum(lines.Select(l => l.AmountMicros));
            yield return Line(facts, Words(status), Micros.Zero, new(status.Jurisdiction, status.Treatment, default, whole) { NoteSha256 = status.NoteSha256 });
            yield break;
        }
        var rated = Products.All.Select(p => (Product: p, Rate: terms.RateFor(status.Jurisdiction, p, on, moment), Base: Micros.Sum(lines.Where(l => l.Product == p).Select(l => l.AmountMicros)))).ToArray();
        foreach (var group in rated.Where(r => r.Rate is not null).GroupBy(r => (r.Rate!.Name, r.Rate.Rate)))
        {
            var taxed = Micros.Sum(group.Select(g => g.Base));
            var tax = decimal.Round(group.Key.Rate.Of(taxed.Value) / unit, MidpointRounding.AwayFromZero) * unit;
            yield return Line(facts, $"{group.Key.Name} {group.Key.Rate} % ({status.Jurisdiction})", new((long)tax), new(status.Jurisdiction, status.Treatment, group.Key.Rate, taxed));
        }
        if (terms.Identity is null) yield break;
        foreach (var unknown in rated.Where(r => r.Rate is null && r.Base != Micros.Zero))
            yield return Line(facts, $"No tax: the seller has no rate for {unknown.Product} in {status.Jurisdiction}", Micros.Zero, null);
    }

    /// <summary>The last moment of the period, or of the subscription where that was cancelled before.</summary>
    private static (DateTimeOffset On, DateTimeOffset Moment) LastServed(PeriodFacts facts, RatingTerms terms)
    {
        var end = terms.RatingVersion >= RatingVersions.TaxedAsServed && facts.Plans.EndedAt is { } ended && ended < facts.End ? ended : facts.End;
        return (facts.Local(end.AddTicks(-1)), end.AddTicks(-1));
    }

    private static InvoiceLine Line(PeriodFacts facts, string description, Micros amount, LineTax? tax) =>
        new(LineKinds.Tax, description, facts.PlanId, null, 0, null, amount, "") { Product = "", Tax = tax };

    private static string Words(AccountTax status)
    {
        var words = status.Treatment == TaxTreatment.ReverseCharge ? $"Reverse charge: the customer owes the tax ({status.Jurisdiction})" : $"Exempt from tax ({status.Jurisdiction})";
        return status.Note.Length == 0 ? words : $"{words}: {status.Note}";
    }
}
