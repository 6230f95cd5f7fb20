namespace Billing.Periods;

/// <summary>Tokens of one kind used under one plan.</summary>
public sealed record PlanTokens(string PlanId, TokenKind Kind, long Tokens);

/// <summary>Sums of tokens by plan and kind, always in the same order whatever order the usage came in. A sum of zero stays: it was recorded.</summary>
public static class TokenSums
{
    public static ValueList<PlanTokens> Plus(this ValueList<PlanTokens> sums, ValueList<PlanTokens> more)
    {
        if (more.Count == 0) return sums;
        var total = new SortedDictionary<(string Plan, TokenKind Kind), long>(Order);
        foreach (var line in sums) Add(total, line);
        foreach (var line in more) Add(total, line);
        return total.Select(t => new PlanTokens(t.Key.Plan, t.Key.Kind, t.Value)).ToValueList();
    }

    private static readonly Comparer<(string Plan, TokenKind Kind)> Order = Comparer<(string Plan, TokenKind Kind)>.Create((a, b) =>
        string.CompareOrdinal(a.Plan, b.Plan) is var byPlan and not 0 ? byPlan : a.Kind.CompareTo(b.Kind));

    private static void Add(SortedDictionary<(string, TokenKind), long> total, PlanTokens line) =>
        total[(line.PlanId, line.Kind)] = total.GetValueOrDefault((line.PlanId, line.Kind)) + line.Tokens;
}
