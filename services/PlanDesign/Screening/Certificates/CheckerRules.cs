using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening.Certificates;

/// <summary>The rules on caps as the certificate reads them, from the rules as they were given and from nothing of the solver's.</summary>
internal sealed class CheckerRules(MenuConstraints? given, int capTokensMax)
{
    private readonly HashSet<int>? _listed = given?.AllowedCapTokens?.ToHashSet();

    public bool AreNone => given is null;

    /// <summary>The cap that everybody has for nothing, 0 if there is none.</summary>
    public int FreeTier => given?.FreeTierCapTokens ?? 0;

    /// <summary>Nobody may be left with cap 0, and no free tier sees to it.</summary>
    public bool MustServe => given is { NobodyExcluded: true, FreeTierCapTokens: null };

    /// <summary>Whether a plan above nothing, or above the free tier, may have this cap.</summary>
    public bool Allows(int cap) => given is null ? cap > 0
        : cap > FreeTier && cap >= (given.CapTokensMin ?? 1) && cap <= (given.CapTokensMax ?? capTokensMax) && _listed?.Contains(cap) != false;

    /// <summary>Nothing, or the free tier, and every cap above it that may be sold; ascending.</summary>
    public int[] Caps() => [FreeTier, .. Enumerable.Range(1, capTokensMax).Where(Allows)];
}
