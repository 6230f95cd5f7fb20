using Billing.Accounts;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>
/// Step 10: for each rate, the rate applied to the rounded amounts before tax, to the nearest minor unit, a half away from zero: what
/// a tax office computes from the printed invoice. The rate is that of the period's last moment, of the customer's jurisdiction.
/// </summary>
public static class Tax
{
    /// <param name="lines">rounded, credit included</param>
    public static IEnumerable<InvoiceLine> Lines(PeriodFacts facts, IReadOnlyList<InvoiceLine> lines, RatingTerms terms)
    {
        if (terms.Account.Tax is not { } status) yield break;
        decimal unit = terms.Menus[facts.MenuId].Currency.MinorUnit.Value;
        if (status.Treatment != TaxTreatment.Standard)
        {
            var whole = Micros.Sum(lines.Select(l => l.AmountMicros));
            yield return Line(facts, Words(status), Micros.Zero, new(status.Jurisdiction, status.Treatment, default, whole));
            yield break;
        }
        var on = facts.End.AddTicks(-1);
        var rated = Products.All.Select(p => (Rate: terms.Seller.Rate(status.Jurisdiction, p, on), Base: Micros.Sum(lines.Where(l => l.Product == p).Select(l => l.AmountMicros))));
        foreach (var group in rated.Where(r => r.Rate is not null).GroupBy(r => (r.Rate!.Name, r.Rate.Rate)))
        {
            var taxed = Micros.Sum(group.Select(g => g.Base));
            var tax = decimal.Round(group.Key.Rate.Of(taxed.Value) / unit, MidpointRounding.AwayFromZero) * unit;
            yield return Line(facts, $"{group.Key.Name} {group.Key.Rate} % ({status.Jurisdiction})", new((long)tax), new(status.Jurisdiction, status.Treatment, group.Key.Rate, taxed));
        }
    }

    private static InvoiceLine Line(PeriodFacts facts, string description, Micros amount, LineTax tax) =>
        new(LineKinds.Tax, description, facts.PlanId, null, 0, null, amount, "") { Product = "", Tax = tax };

    private static string Words(AccountTax status)
    {
        var words = status.Treatment == TaxTreatment.ReverseCharge ? $"Reverse charge: the customer owes the tax ({status.Jurisdiction})" : $"Exempt from tax ({status.Jurisdiction})";
        return status.Note.Length == 0 ? words : $"{words}: {status.Note}";
    }
}
