using Usage.Metering;

namespace Usage.Corrections;

/// <summary>Takes back everything that a generation has recorded. What it reports afterwards counts again.</summary>
public sealed record VoidUsage(string Author, string Reason, string Key, DateTimeOffset At);

public static class VoidUsageDecision
{
    /// <param name="recorded">the generation in each period and plan, earlier corrections included</param>
    public static Decision<UsageCorrection> Decide(VoidUsage c, IReadOnlyList<RecordedUse> recorded)
    {
        if (recorded.Count == 0) return Decision.Refuse(Reasons.UsageUnknown, "nothing is recorded of this generation; check its id, or amend the period it was in");
        var corrections = new List<UsageCorrection>();
        foreach (var use in recorded)
        {
            if (use.Tokens.IsZero && use.OverrunTokens == 0) continue;
            var deltas = Tally.Zero - use.Tokens;
            if (use.BelowZero(deltas, -use.OverrunTokens) is { } refusal) return refusal;
            corrections.Add(use.Correct(CorrectionIds.Of(c.Key, corrections.Count, c.At), deltas, -use.OverrunTokens, isVoid: true, c.Author, c.Reason, c.At));
        }
        return corrections.Count == 0 ? Decision.NoChange : Decision.Accept<UsageCorrection>(corrections);
    }
}
