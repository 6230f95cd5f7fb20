using Billing.Menus;
using Billing.Periods;

namespace Billing.Rating;

/// <summary>Tokens of one kind, split at what the fee includes.</summary>
public sealed record IncludedSplit(TokenKind Kind, long Included, long Beyond, OveragePrice Price);

/// <summary>
/// Step 2: how many tokens the fee covers. Without a billed cap, all of them. A billed cap covers its dearest kinds first, which
/// is best for the customer and does not depend on the order of usage; kinds at one price in the order of the enum. Of tiers the dearest counts, of packages a full one.
/// </summary>
public static class IncludedTokens
{
    /// <param name="usage">of one plan; kinds in the order of the result</param>
    public static IReadOnlyList<IncludedSplit> Split(PlanTerms plan, IEnumerable<PlanTokens> usage)
    {
        var lines = usage.Where(u => u.Kind != TokenKind.Overrun).OrderBy(u => u.Kind).ToArray();
        var beyond = new Dictionary<TokenKind, long>();
        foreach (var cap in plan.BilledCaps())
        {
            var left = cap.Tokens;
            foreach (var line in lines.Where(l => cap.Counts.Contains(l.Kind)).OrderByDescending(l => plan.PriceOf(l.Kind).Dearest).ThenBy(l => l.Kind))
            {
                var covered = Math.Min(Math.Max(line.Tokens, 0), left);
                left -= covered;
                beyond[line.Kind] = Math.Max(line.Tokens, 0) - covered;
            }
        }
        return [.. lines.Select(l => new IncludedSplit(l.Kind, l.Tokens - beyond.GetValueOrDefault(l.Kind), beyond.GetValueOrDefault(l.Kind), plan.PriceOf(l.Kind)))];
    }
}
