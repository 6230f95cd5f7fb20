using System.Globalization;
using Usage.Metering;

namespace Usage.Corrections;

/// <summary>Adds signed tokens to what a generation, or a whole period, has recorded.</summary>
/// <param name="Period">and plan: needed only where the target lies in several; null is "the one"</param>
/// <param name="Key">of the call: a retry derives the same ids</param>
public sealed record AmendUsage(
    Guid? Period, Guid? Plan, Tally Deltas, long OverrunDelta, string Author, string Reason, string Key, DateTimeOffset At);

public static class AmendUsageDecision
{
    /// <param name="recorded">the target in each period and plan</param>
    public static Decision<UsageCorrection> Decide(AmendUsage c, IReadOnlyList<RecordedUse> recorded)
    {
        RecordedUse[] meant = [.. recorded.Where(r => (c.Period is null || r.Period == c.Period) && (c.Plan is null || r.Plan == c.Plan))];
        if (meant is []) return Decision.Refuse(Reasons.UsageUnknown, "nothing is recorded there; check the ids, or amend the whole period of the subscription");
        if (meant is not [var target])
            return Decision.Refuse(
                Reasons.CorrectionAmbiguous,
                $"its usage lies in {meant.Length} places; add period_id and plan_id of one of them: {string.Join("; ", meant.Select(m => $"{Ids.Format(Ids.Period, m.Period)} {Ids.Format(Ids.Plan, m.Plan)}"))}");
        return target.BelowZero(c.Deltas, c.OverrunDelta) is { } refusal
            ? refusal
            : Decision.Accept(target.Correct(CorrectionIds.Of(c.Key, 0, c.At), c.Deltas, c.OverrunDelta, isVoid: false, c.Author, c.Reason, c.At));
    }
}

public static class CorrectionIds
{
    public static Guid Of(string key, int number, DateTimeOffset at) => Ids.DeriveGuid(at, "usage_correction", key, number.ToString(CultureInfo.InvariantCulture));
}
