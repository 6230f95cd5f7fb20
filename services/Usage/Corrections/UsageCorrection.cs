using Usage.Caps;
using Usage.Metering;

namespace Usage.Corrections;

/// <summary>What one window that is open now gains or loses by a correction.</summary>
public sealed record WindowCorrection(OpenWindow Window, Tally Deltas);

/// <summary>
/// Signed tokens beside what was recorded: a row of its own in batch, chain and report. What is recorded and all its corrections together are
/// never below zero.
/// </summary>
/// <param name="Generation">null if it is about a whole period</param>
/// <param name="Conversation">and model: of the generation; empty without one</param>
/// <param name="RecordedAt">business time; whole microseconds, as the table keeps them</param>
/// <param name="Windows">the rolling windows that are open now and hold usage of this generation</param>
public sealed record UsageCorrection(
    Guid Id, Guid Subscription, Guid Period, DateTimeOffset PeriodEnd, Guid Plan, Guid? Generation, string Conversation, string Model,
    Tally Deltas, long OverrunDelta, bool Void, string Author, string Reason, DateTimeOffset RecordedAt, IReadOnlyList<WindowCorrection> Windows);

/// <summary>What is recorded of a target in one period under one plan, corrections included.</summary>
/// <param name="PeriodTokens">of the whole subscription in that period under that plan</param>
/// <param name="Windows">what each rolling window that is open now holds of it</param>
public sealed record RecordedUse(
    Guid Subscription, Guid Period, DateTimeOffset PeriodEnd, Guid Plan, Guid? Generation, string Conversation, string Model,
    Tally Tokens, long OverrunTokens, Tally PeriodTokens, long PeriodOverrunTokens, IReadOnlyList<WindowCorrection> Windows)
{
    /// <summary>Nothing yet, in a period that billing has named, under the plan that is in force: nothing else can be billed. Null for any other period.</summary>
    public static RecordedUse? Possible(SubscriptionTerms? terms, Guid period)
    {
        if (terms is null || new[] { terms.Current, terms.Next, terms.Previous }.FirstOrDefault(p => p?.Id == period) is not { } known) return null;
        return new RecordedUse(terms.Subscription, known.Id, known.End, terms.Plan, null, "", "", Tally.Zero, 0, Tally.Zero, 0, []);
    }

    public UsageCorrection Correct(Guid id, Tally deltas, long overrunDelta, bool isVoid, string author, string reason, DateTimeOffset at) => new(
        id, Subscription, Period, PeriodEnd, Plan, Generation, Conversation, Model, deltas, overrunDelta, isVoid, author, reason, UsageRow.WholeMicroseconds(at),
        [.. Windows.Select(w => w with { Deltas = deltas.AtLeast(Tally.Zero - w.Deltas) })]);

    /// <summary>Why this much cannot be taken away, or null.</summary>
    public Refusal? BelowZero(Tally deltas, long overrunDelta)
    {
        if ((Tokens + deltas).AnyNegative || OverrunTokens + overrunDelta < 0)
            return new(Reasons.CorrectionBelowZero, $"only {Words(Tokens, OverrunTokens)} are recorded; a correction cannot take away more");
        return (PeriodTokens + deltas).AnyNegative || PeriodOverrunTokens + overrunDelta < 0
            ? new(Reasons.CorrectionBelowZero, $"only {Words(PeriodTokens, PeriodOverrunTokens)} are left in the period after earlier corrections; a correction cannot take away more")
            : null;
    }

    private static string Words(in Tally tokens, long overrun) =>
        $"input {tokens.Input}, cached input {tokens.CachedInput}, cache creation {tokens.CacheCreation}, output {tokens.Output}, reasoning {tokens.Reasoning}, overrun {overrun}";
}
