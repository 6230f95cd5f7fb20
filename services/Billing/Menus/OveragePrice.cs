using System.Text.Json.Serialization;

namespace Billing.Menus;

/// <summary>How the price of a token depends on how many there are.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<PriceModel>))]
public enum PriceModel
{
    /// <summary>Every token at one price.</summary>
    [JsonStringEnumMemberName("per_unit")] PerUnit,

    /// <summary>Each tier's tokens at that tier's price.</summary>
    [JsonStringEnumMemberName("graduated")] Graduated,

    /// <summary>All tokens at the price of the tier that the last one reaches.</summary>
    [JsonStringEnumMemberName("volume")] Volume,

    /// <summary>So much for each package of tokens that is begun.</summary>
    [JsonStringEnumMemberName("package")] Package,
}

/// <param name="UpTo">the last token of the tier, counted from the first beyond the cap; null for the last tier, which has no end</param>
public sealed record PriceTier(long? UpTo, UnitPrice PerMillionTokens);

/// <param name="Tokens">in one package; one that is begun is paid whole</param>
public sealed record TokenPackage(long Tokens, Micros PriceMicros)
{
    public long Begun(long tokens) => tokens / Tokens + (tokens % Tokens > 0 ? 1 : 0);
}

/// <summary>Tokens that have one price.</summary>
/// <param name="First">which they are, counted from the first beyond the cap</param>
public sealed record PricedTokens(long First, long Tokens, UnitPrice Price);

/// <summary>What tokens of a kind cost beyond the cap of a period.</summary>
/// <param name="PerMillionTokens">of tiers the dearest; nothing of packages</param>
/// <param name="Tiers">in order; null for one price. Their bounds count the tokens of the period, however short it is</param>
/// <param name="Package">counted likewise, once for all tokens of the period; null where none are sold</param>
public sealed record OveragePrice(
    TokenKind Kind, UnitPrice PerMillionTokens,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ValueList<PriceTier>? Tiers = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] PriceModel Model = PriceModel.PerUnit,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TokenPackage? Package = null)
{
    public static OveragePrice Tiered(TokenKind kind, PriceModel model, ValueList<PriceTier> tiers) =>
        new(kind, tiers.MaxBy(t => t.PerMillionTokens.PerMillionTokens)?.PerMillionTokens ?? default, tiers, model);

    public static OveragePrice Packaged(TokenKind kind, TokenPackage package) => new(kind, default, null, PriceModel.Package, package);

    /// <summary>Micros for a token where it is dearest, of packages in a full one: by it the cap covers its dearest kinds first.</summary>
    [JsonIgnore]
    public decimal Dearest => Package is { } p ? (decimal)p.PriceMicros.Value / p.Tokens : PerMillionTokens.PerMillionTokens;

    /// <summary>So many tokens beyond the cap, in the parts that have one price each; packages have none.</summary>
    public IEnumerable<PricedTokens> Priced(long tokens)
    {
        if (tokens == 0 || Package is not null) yield break;
        if (Model == PriceModel.PerUnit) yield return new(1, tokens, PerMillionTokens);
        else if (Model == PriceModel.Volume) yield return new(1, tokens, Tiers!.First(t => t.UpTo is not { } end || tokens <= end).PerMillionTokens);
        else
        {
            var priced = 0L;
            foreach (var tier in Tiers!)
            {
                var through = tier.UpTo is { } end && end < tokens ? end : tokens;
                if (through > priced) yield return new(priced + 1, through - priced, tier.PerMillionTokens);
                priced = Math.Max(priced, through);
            }
        }
    }

    /// <summary>Exact; fractions of a micro included.</summary>
    public decimal MicrosFor(long tokens) => Package is { } p ? (decimal)p.PriceMicros.Value * p.Begun(tokens) : Priced(tokens).Sum(p => p.Price.MicrosFor(p.Tokens));

    /// <summary>What no invoice could be made from; null when there is nothing.</summary>
    public string? FirstFault() => (Model, Tiers) switch
    {
        (PriceModel.Package, null) => Package is { Tokens: > 0 } && Package.PriceMicros >= Micros.Zero ? null : $"the packages of {Kind.Name()} hold no tokens, or have no price",
        _ when Model == PriceModel.Package || Package is not null => $"the price of {Kind.Name()} is {Model} and not one of packages alone",
        (PriceModel.PerUnit, null) => null,
        (PriceModel.PerUnit, _) => $"the price of {Kind.Name()} has tiers and does not say whether they are graduated or volume",
        (_, null or { Count: 0 }) => $"the price of {Kind.Name()} is {Model} and has no tiers",
        (_, var tiers) when tiers[^1].UpTo is not null || tiers.SkipLast(1).Any(t => t.UpTo is null) => $"of the tiers of {Kind.Name()} the last one, and only that, has no end",
        (_, var tiers) when tiers.SkipLast(1).Zip(tiers.SkipLast(1).Select(t => t.UpTo!.Value).Prepend(0)).Any(t => t.First.UpTo <= t.Second) => $"the tiers of {Kind.Name()} do not rise",
        _ => null,
    };
}
