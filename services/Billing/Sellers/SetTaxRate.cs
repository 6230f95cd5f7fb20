using System.Globalization;
using System.Text.RegularExpressions;
using Billing.Rating;

namespace Billing.Sellers;

/// <summary>Adds a rate to the tax table. Nothing is ever taken out of it: invoices of the past are replayed by it.</summary>
/// <param name="Product">subscription, usage, or empty for both</param>
/// <param name="From">by each customer's clocks; null is from At on, wherever the customer is, unless the rate holds everywhere then already. A day in which another rate was said from a moment on is not said any more</param>
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
        TaxRateSet[] before = [.. state.Rates.Where(r => r.Jurisdiction == c.Jurisdiction && r.Product == c.Product)];
        if (c.From is { } day && SaidWithin(day) is { } within)
            return Decision.Refuse("tax_rate_beginning", $"{within.Rate} % was said from {within.From:u} on, and somewhere that is later on {day:yyyy-MM-dd}: it would hold there, and this rate elsewhere. "
                + $"To let it hold until it has begun by every clock, say from {Text(Undivided(day))} on{(Beginning() is null ? "; to replace it at once, say no day" : "")}");
        var isKnown = c.From is { } from
            ? IsSame(before.LastOrDefault(r => r.FromNow is null && r.From == from))
            : Clocks.All(ahead => IsSame(state.Rate(c.Jurisdiction, c.Product, c.At + ahead, c.At)));
        if (isKnown) return Decision.NoChange;
        if (c.From is null && Beginning() is { } beginning)
            return Decision.Refuse("tax_rate_beginning", $"the rate of {beginning.From:yyyy-MM-dd}, {beginning.Rate} %, holds where that day has begun and not yet where it is still to come, until {beginning.From - Clocks[0]:u}: "
                + $"say from {Text(Undivided(beginning.From))} on to replace it{(Undivided(beginning.From.AddDays(-1)) is var earlier && earlier < beginning.From ? $", or from {Text(earlier)} on to leave it as it is" : "")}");
        return Decision.Accept<SellerEvent>(rate);

        // Where its day is to come it would go before what is said now, and nobody can tell whether it was meant to.
        TaxRateSet? Beginning() => before.Where(r => r.FromNow is null).GroupBy(r => r.From).Select(same => same.Last()).FirstOrDefault(r => r.From <= c.At + Clocks[^1] && r.From > c.At + Clocks[0] && !IsSame(r));

        // It begins in the course of that day somewhere, and before or after it elsewhere: the day alone does not say which of the two counts.
        TaxRateSet? SaidWithin(DateTimeOffset from) =>
            before.Where(r => r.FromNow == true && r.From + Clocks[^1] > from && (r.From + Clocks[0]).AddDays(-1) < new DateTimeOffset(from.Date, from.Offset)).OrderBy(r => r.From).LastOrDefault() is { } last && !IsSame(last) ? last : null;

        // The first time from that one on, to the second, which what is said now may name, so that it holds from there by every clock.
        DateTimeOffset Undivided(DateTimeOffset from)
        {
            while (SaidWithin(from) is { } within) from = new((within.From + Clocks[^1]).AddTicks(TimeSpan.TicksPerSecond - 1).Ticks / TimeSpan.TicksPerSecond * TimeSpan.TicksPerSecond, TimeSpan.Zero);
            return from;
        }

        bool IsSame(TaxRateSet? known) => known is not null && known with { From = rate.From, At = c.At, FromNow = rate.FromNow, By = null } == rate;
    }

    /// <summary>As it is said: a time of day only where there is one.</summary>
    private static string Text(DateTimeOffset from) => from.ToString(from.TimeOfDay == TimeSpan.Zero ? "yyyy-MM-dd" : "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}

/// <summary>Whose tax law: an ISO 3166 country, with a subdivision where tax is its business: DE, US-CA.</summary>
public static partial class Jurisdictions
{
    public static bool IsValid(string code) => Code().IsMatch(code);

    public static Refusal Invalid(string code) => Decision.Refuse("jurisdiction_invalid", $"'{code}' is not a country or subdivision by ISO 3166, such as DE or US-CA");

    [GeneratedRegex("^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
    private static partial Regex Code();
}
