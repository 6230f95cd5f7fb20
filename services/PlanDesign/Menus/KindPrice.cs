using System.Globalization;
using System.Text.Json;

namespace PlanDesign.Menus;

/// <param name="UpTo">the last token of the tier, counted from the first beyond the allowance; null for the last tier, which has no end</param>
public sealed record KindTier(long? UpTo, UnitPrice PerMillionTokens);

/// <param name="Tokens">in one package; one that is begun is paid whole</param>
public sealed record KindPackage(long Tokens, long PriceMicros);

/// <summary>What tokens of one kind cost beyond a period's allowance: one price, or by tiers, or by packages.</summary>
/// <param name="PerMillionTokens">nothing where there are tiers or a package</param>
public sealed record KindPrice(TokenKind Kind, UnitPrice PerMillionTokens)
{
    public const string PerUnit = "per_unit", Graduated = "graduated", Volume = "volume", Package = "package";

    /// <summary>One of the constants.</summary>
    public string Model { get; init; } = PerUnit;

    /// <summary>Of graduated and volume prices, in order; else none.</summary>
    public IReadOnlyList<KindTier> Tiers { get; init; } = [];

    /// <summary>Of a price by packages; else null.</summary>
    public KindPackage? Packages { get; init; }

    /// <returns>What no invoice could be made from, as a field of this price and what is wrong with it; null if nothing.</returns>
    public (string Field, string Detail)? Fault()
    {
        if (Model is not (PerUnit or Graduated or Volume or Package)) return ("model", $"is '{Model}', expected {PerUnit}, {Graduated}, {Volume} or {Package}");
        if (Model == Package && Tiers.Count > 0) return ("tiers", $"are given, and the model is {Package}: expected none");
        if (Model == Package)
            return Packages is not { Tokens: > 0 } ? ("package_tokens", $"is {Packages?.Tokens ?? 0}, expected how many tokens a package holds, at least 1")
                : Packages.PriceMicros < 0 ? ("package_price_micros", $"is {Packages.PriceMicros}, expected what a package costs, 0 or more") : null;
        if (Packages is not null) return ("package_tokens", $"is given, and the model is {Model}: expected none, or the model {Package}");
        if (Model == PerUnit) return Tiers.Count > 0 ? ("tiers", $"are given, and the model is {PerUnit}: expected none, or the model {Graduated} or {Volume}") : null;
        if (Tiers.Count == 0) return ("tiers", $"has none, expected at least one for the model {Model}");
        for (var n = 0; n < Tiers.Count; n++)
        {
            if (Tiers[n].UpTo is null != (n == Tiers.Count - 1)) return ($"tiers[{n}].up_to", "is wrong: the last tier, and only that, has no end");
            if (Tiers[n].UpTo <= (n == 0 ? 0 : Tiers[n - 1].UpTo)) return ($"tiers[{n}].up_to", $"is {Tiers[n].UpTo}, expected more than {(n == 0 ? 0 : Tiers[n - 1].UpTo)}: tiers rise");
        }
        return null;
    }

    /// <summary>As it stands in the terms of a menu: a price for each million tokens says no more than it ever did.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("kind", Kind.Name());
        if (Model == PerUnit) json.WriteString("perMillionTokens", PerMillionTokens.ToString());
        else json.WriteString("model", Model);
        if (Tiers.Count > 0)
        {
            json.WriteStartArray("tiers");
            foreach (var tier in Tiers)
            {
                json.WriteStartObject();
                if (tier.UpTo is { } end) json.WriteNumber("upTo", end);
                json.WriteString("perMillionTokens", tier.PerMillionTokens.ToString());
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        if (Packages is { } package)
        {
            json.WriteNumber("packageTokens", package.Tokens);
            json.WriteNumber("packagePriceMicros", package.PriceMicros);
        }
        json.WriteEndObject();
    }

    /// <exception cref="InputFaultException">A field is missing or is not what it should be.</exception>
    /// <exception cref="FormatException">A kind or a price cannot be read.</exception>
    internal static KindPrice Read(JsonFields o)
    {
        var model = o.OptionalText("model") ?? PerUnit;
        var price = new KindPrice(TokenNames.ParseKind(o.Text("kind")), model == PerUnit ? UnitPrice.Parse(o.Text("perMillionTokens")) : default)
        {
            Model = model,
            Tiers = o.IsGiven("tiers") ? [.. o.Objects("tiers").Select(t => new KindTier(t.IsGiven("upTo") ? t.Whole("upTo") : null, UnitPrice.Parse(t.Text("perMillionTokens"))))] : [],
            Packages = o.IsGiven("packageTokens") ? new(o.Whole("packageTokens"), o.Whole("packagePriceMicros")) : null,
        };
        o.RefuseTheRest();
        return price;
    }

    /// <summary>For people: 12.50 for a million tokens of output.</summary>
    public string Words() => (Model, Packages) switch
    {
        (Package, { } p) => string.Create(CultureInfo.InvariantCulture, $"{p.PriceMicros / 1_000_000m:0.00####} for each package of {p.Tokens:#,0} tokens of {Kind.Name()} that is begun"),
        (Graduated, _) => $"for a million tokens of {Kind.Name()} {Steps()}",
        (Volume, _) => $"for a million tokens of {Kind.Name()}, all at the price of how many there are, {Steps()}",
        _ => $"{PerMillionTokens} for a million tokens of {Kind.Name()}",
    };

    private string Steps() => string.Join(", ", Tiers.Select(t => t.UpTo is { } end ? string.Create(CultureInfo.InvariantCulture, $"{t.PerMillionTokens} up to {end:#,0}") : $"{t.PerMillionTokens} beyond"));
}
