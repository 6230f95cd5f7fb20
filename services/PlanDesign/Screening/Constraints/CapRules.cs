namespace PlanDesign.Screening.Constraints;

/// <summary>
/// The rules on caps as states of the longest path. A free tier m₀ takes the place of buying nothing: J[i,m] is counted from J[i,m₀], and in
/// the end everybody keeps what m₀ is worth to the most urgent type, so that Σ_i J[i,m₀] − W_N·V[N,m₀] is added to the profit.
/// </summary>
internal sealed class CapRules
{
    private readonly bool[]? _allowed;

    private CapRules(bool[]? allowed, int freeTier, bool mustServe) => (_allowed, FreeTier, MustServe) = (allowed, freeTier, mustServe);

    public static CapRules None { get; } = new(null, 0, false);

    /// <summary>The cap that everybody has for nothing, 0 if there is none.</summary>
    public int FreeTier { get; }

    /// <summary>Nobody may be left with cap 0.</summary>
    public bool MustServe { get; }

    public bool AreNone => _allowed is null;

    public bool Allows(int cap) => _allowed is null || _allowed[cap];

    /// <summary>The caps that may be chosen, ascending, with the free tier (or 0) first.</summary>
    public int[] Caps(int capTokensMax) => [FreeTier, .. Enumerable.Range(1, capTokensMax).Where(Allows)];

    public static (CapRules? Rules, InputFault? Fault) Of(MenuConstraints? constraints, MarketGrid grid)
    {
        if (constraints is null) return (None, null);
        var free = constraints.FreeTierCapTokens ?? 0;
        if (free > grid.CapTokensMax)
            return (null, new("constraints.freeTierCapTokens", $"is {free}, above the largest cap of this market, {grid.CapTokensMax} tokens"));
        if (constraints.NobodyExcluded && grid.Types.HasUnservedType)
            return (null, new("constraints.nobodyExcluded",
                "cannot be kept where urgency has no upper end: to the most urgent no plan is worth anything. Give a bounded urgency"));
        if (constraints.CapTokensMin > grid.CapTokensMax)
            return (null, new("constraints.capTokensMin", $"is {constraints.CapTokensMin}, above the largest cap of this market, {grid.CapTokensMax} tokens"));
        var (min, max) = (constraints.CapTokensMin ?? 1, Math.Min(constraints.CapTokensMax ?? grid.CapTokensMax, grid.CapTokensMax));
        var listed = constraints.AllowedCapTokens?.ToHashSet();
        var allowed = new bool[grid.CapTokensMax + 1];
        for (var m = free + 1; m < allowed.Length; m++) allowed[m] = m >= min && m <= max && listed?.Contains(m) != false;
        if (!allowed.Contains(true) && free == 0)
            return (null, new("constraints.allowedCapTokens", $"has no cap from {min} to {max} tokens, {(max == grid.CapTokensMax ? "the largest of this market" : "capTokensMax")}"));
        return (new(allowed, free, constraints.NobodyExcluded && free == 0), null);
    }

    /// <summary>The row that the dynamic programme sees, and what the free tier adds to it.</summary>
    public double Restrict(ReadOnlySpan<double> surplus, Span<double> row)
    {
        row[0] = MustServe ? double.NegativeInfinity : 0;
        var at = surplus[FreeTier];
        for (var m = 1; m < row.Length; m++) row[m] = Allows(m) ? surplus[m] - at : double.NegativeInfinity;
        return at;
    }

    /// <summary>What everybody keeps of the free tier, taken off the profit.</summary>
    public double Rent(ReadOnlySpan<double> valueOfMostUrgent, double cumulativeWeight) => cumulativeWeight * valueOfMostUrgent[FreeTier];

    /// <summary>Cap 0 of the programme is the free tier.</summary>
    public int[] Assigned(int[] caps) => FreeTier == 0 ? caps : [.. caps.Select(c => c == 0 ? FreeTier : c)];
}
