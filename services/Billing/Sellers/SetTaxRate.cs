using System.Text.RegularExpressions;
using Billing.Rating;

namespace Billing.Sellers;

/// <summary>Adds a rate to the tax table. Nothing is ever taken out of it: invoices of the past are replayed by it.</summary>
/// <param name="Product">subscription, usage, or empty for both</param>
/// <param name="From">by each customer's clocks; null is from At on, wherever the customer is, unless the rate holds everywhere then already. On one day of the seller the later word counts</param>
public sealed record SetTaxRate(string Jurisdiction, string Product, string Name, Percent Rate, DateTimeOffset? From, DateTimeOffset At);

public static class SetTaxRateDecision
{
    private const int NameLengthMax = 20;

    /// <summary>Where a day begins last: what has begun there has begun everywhere.</summary>
    private static readonly TimeSpan LastAhead = TimeSpan.FromHours(-12);

    public static Decision<SellerEvent> Decide(SetTaxRate c, SellerState state)
    {
        if (!Jurisdictions.IsValid(c.Jurisdiction)) return Jurisdictions.Invalid(c.Jurisdiction);
        if (c.Product.Length > 0 && !Products.All.Contains(c.Product))
            return Decision.Refuse("product_unknown", $"'{c.Product}' is not one of {string.Join(", ", Products.All)}, or empty for both");
        if (c.Name.Length is 0 or > NameLengthMax) return Decision.Refuse("name_invalid", $"the name of the tax, such as VAT, has 1 to {NameLengthMax} characters");
        var rate = new TaxRateSet(c.Jurisdiction, c.Product, c.Name, c.Rate, c.From ?? c.At, c.At, c.From is null ? true : null);
        // It goes after these. Those of later days go before it, whatever it says.
        TaxRateSet[] until = [.. state.RatesInOrder(c.Jurisdiction, c.Product).Where(r => r.Day <= rate.Day)];
        return IsKnown() ? Decision.NoChange : Decision.Accept<SellerEvent>(rate);

        // Of a day, where that is its last word already; from now on, where no other one counts any more anywhere.
        bool IsKnown() => c.From is { } from
            ? until is [.., { FromNow: null } last] && last.From == from && IsSame(last)
            : Array.FindLastIndex(until, r => r.Begins(LastAhead) <= c.At + LastAhead) is >= 0 and var begun && until[begun..].All(IsSame);

        bool IsSame(TaxRateSet known) => (known.Name, known.Rate) == (rate.Name, rate.Rate);
    }
}

/// <summary>Whose tax law: an ISO 3166 country, with a subdivision where tax is its business: DE, US-CA.</summary>
public static partial class Jurisdictions
{
    public static bool IsValid(string code) => Code().IsMatch(code);

    public static Refusal Invalid(string code) => Decision.Refuse("jurisdiction_invalid", $"'{code}' is not a country or subdivision by ISO 3166, such as DE or US-CA");

    [GeneratedRegex("^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
    private static partial Regex Code();
}
