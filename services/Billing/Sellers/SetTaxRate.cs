using System.Text.RegularExpressions;
using Billing.Rating;

namespace Billing.Sellers;

/// <summary>Adds a rate to the tax table. Nothing is ever taken out of it: invoices of the past are replayed by it.</summary>
/// <param name="Product">subscription, usage, or empty for both</param>
/// <param name="From">by each customer's clocks; null is from At on, wherever the customer is, unless the rate holds everywhere then already</param>
public sealed record SetTaxRate(string Jurisdiction, string Product, string Name, Percent Rate, DateTimeOffset? From, DateTimeOffset At);

public static class SetTaxRateDecision
{
    private const int NameLengthMax = 20;

    /// <summary>By how much the clocks of the Earth are ahead of UTC.</summary>
    private static readonly TimeSpan[] Clocks = [.. Enumerable.Range(-12, 27).Select(hours => TimeSpan.FromHours(hours))];

    public static Decision<SellerEvent> Decide(SetTaxRate c, SellerState state)
    {
        if (!Jurisdictions.IsValid(c.Jurisdiction)) return Jurisdictions.Invalid(c.Jurisdiction);
        if (c.Product.Length > 0 && !Products.All.Contains(c.Product))
            return Decision.Refuse("product_unknown", $"'{c.Product}' is not one of {string.Join(", ", Products.All)}, or empty for both");
        if (c.Name.Length is 0 or > NameLengthMax) return Decision.Refuse("name_invalid", $"the name of the tax, such as VAT, has 1 to {NameLengthMax} characters");
        var rate = new TaxRateSet(c.Jurisdiction, c.Product, c.Name, c.Rate, c.From ?? c.At, c.At, c.From is null ? true : null);
        var isKnown = c.From is { } from
            ? IsSame(state.Rates.LastOrDefault(r => r.Jurisdiction == c.Jurisdiction && r.Product == c.Product && r.FromNow is null && r.From == from))
            : Clocks.All(ahead => IsSame(state.Rate(c.Jurisdiction, c.Product, c.At + ahead, c.At)));
        if (isKnown) return Decision.NoChange;
        if (c.From is null && Beginning() is { } beginning)
            return Decision.Refuse("tax_rate_beginning", $"the rate of {beginning.From:yyyy-MM-dd}, {beginning.Rate} %, holds where that day has begun and not yet where it is still to come, until {beginning.From - Clocks[0]:u}: "
                + $"say from {beginning.From:yyyy-MM-dd} on to replace it, or from an earlier day on to leave it as it is");
        return Decision.Accept<SellerEvent>(rate);

        // Where its day is to come it would go before what is said now, and nobody can tell whether it was meant to.
        TaxRateSet? Beginning() => state.Rates.Where(r => r.Jurisdiction == c.Jurisdiction && r.Product == c.Product && r.FromNow is null)
            .GroupBy(r => r.From).Select(same => same.Last()).FirstOrDefault(r => r.From <= c.At + Clocks[^1] && r.From > c.At + Clocks[0] && !IsSame(r));

        bool IsSame(TaxRateSet? known) => known is not null && known with { From = rate.From, At = c.At, FromNow = rate.FromNow, By = null } == rate;
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
