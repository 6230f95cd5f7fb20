namespace PlanDesign.Screening.Constraints;

/// <summary>
/// What a menu must or must not be: what a runtime supports, and rules of access and fairness that a seller or a regulator sets. Caps in tokens,
/// prices in money per conversation. Rules on caps delete states of the longest path and stay exact; rules on prices are solved over prices
/// in whole minor units, so they need <see cref="SolveOptions.MinorUnits"/>. Beyond the paper.
/// </summary>
public sealed record MenuConstraints
{
    /// <summary>No plan is shorter. A free tier may be.</summary>
    public int? CapTokensMin { get; init; }

    /// <summary>No plan is longer.</summary>
    public int? CapTokensMax { get; init; }

    /// <summary>Plans have one of these caps; null for any.</summary>
    public IReadOnlyList<int>? AllowedCapTokens { get; init; }

    /// <summary>Everybody must find a plan that is worth its price. Not to be had where urgency has no upper end.</summary>
    public bool NobodyExcluded { get; init; }

    /// <summary>A plan with this cap is on the menu for nothing, and every plan that is sold is longer. It keeps the rules on caps but the shortest one, and does not count among at most K plans.</summary>
    public int? FreeTierCapTokens { get; init; }

    /// <summary>No plan costs more.</summary>
    public double? PriceMax { get; init; }

    /// <summary>No plan costs less, a free tier aside.</summary>
    public double? PriceMin { get; init; }

    /// <summary>The dearest plan costs at most so many times the cheapest, which is then no plan for nothing; a free tier aside.</summary>
    public double? PriceRatioMax { get; init; }

    /// <summary>These rules without those on prices.</summary>
    internal MenuConstraints OnCaps => this with { PriceMax = null, PriceMin = null, PriceRatioMax = null };

    /// <summary>Whether any rule is on prices.</summary>
    public bool OnPrices => PriceMax is not null || PriceMin is not null || PriceRatioMax is not null;

    internal InputFault? Check(MinorUnits? units)
    {
        static InputFault? Cap(string field, int? cap) => cap is null or > 0 and <= MarketLimits.CapTokensMax ? null
            : new($"constraints.{field}", $"is {cap}, expected 1 to {MarketLimits.CapTokensMax} tokens");
        static InputFault? Money(string field, double? amount) => amount is not { } given ? null
            : InputFault.RangeFrom($"constraints.{field}", given, 0, MarketLimits.MoneyMax, "of money per conversation");
        return Cap("capTokensMin", CapTokensMin) ?? Cap("capTokensMax", CapTokensMax) ?? Cap("freeTierCapTokens", FreeTierCapTokens)
            ?? (AllowedCapTokens?.Any(c => c is < 1 or > MarketLimits.CapTokensMax) == true
                ? new InputFault("constraints.allowedCapTokens", $"has a cap outside 1 to {MarketLimits.CapTokensMax} tokens") : null)
            ?? (CapTokensMin > CapTokensMax ? new InputFault("constraints.capTokensMin", $"is {CapTokensMin}, above capTokensMax {CapTokensMax}") : null)
            ?? CheckFreeTier() ?? Money("priceMax", PriceMax) ?? Money("priceMin", PriceMin)
            ?? (PriceMin > PriceMax ? new InputFault("constraints.priceMin", FormattableString.Invariant($"is {PriceMin}, above priceMax {PriceMax}")) : null)
            ?? (PriceRatioMax is { } ratio ? InputFault.RangeFrom("constraints.priceRatioMax", ratio, 1, 1e9, "times the cheapest price") : null)
            ?? (OnPrices && units is null
                ? new("constraints." + (PriceMax is not null ? "priceMax" : PriceMin is not null ? "priceMin" : "priceRatioMax"),
                    "needs minorUnits: a rule on prices is solved exactly over prices in whole units") : null);
    }

    /// <summary>A plan for nothing is a plan: shorter than any that is sold it may be, longer or of a cap that is not to be had it may not.</summary>
    private InputFault? CheckFreeTier() => FreeTierCapTokens is not { } free ? null
        : free > CapTokensMax ? new("constraints.freeTierCapTokens", $"is {free}, above capTokensMax {CapTokensMax}")
        : AllowedCapTokens?.Contains(free) == false ? new("constraints.freeTierCapTokens", $"is {free}, which is none of allowedCapTokens")
        : null;

    /// <summary>Each rule by its name, and this menu's rules without it.</summary>
    internal IEnumerable<(string Name, MenuConstraints Without)> Each()
    {
        if (CapTokensMin is not null) yield return ("capTokensMin", this with { CapTokensMin = null });
        if (CapTokensMax is not null) yield return ("capTokensMax", this with { CapTokensMax = null });
        if (AllowedCapTokens is not null) yield return ("allowedCapTokens", this with { AllowedCapTokens = null });
        if (NobodyExcluded) yield return ("nobodyExcluded", this with { NobodyExcluded = false });
        if (FreeTierCapTokens is not null) yield return ("freeTierCapTokens", this with { FreeTierCapTokens = null });
        if (PriceMax is not null) yield return ("priceMax", this with { PriceMax = null });
        if (PriceMin is not null) yield return ("priceMin", this with { PriceMin = null });
        if (PriceRatioMax is not null) yield return ("priceRatioMax", this with { PriceRatioMax = null });
    }
}
