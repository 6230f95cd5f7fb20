using Usage.Metering;

namespace Usage.Caps;

/// <summary>[Start, End) in business time; numbers count from 0.</summary>
public sealed record TermPeriod(Guid Id, int Number, DateTimeOffset Start, DateTimeOffset End);

/// <summary>
/// A subscription as usage must know it: a snapshot, of which the higher version wins. <paramref name="Previous"/> is not part of
/// what billing sends: it is kept when periods turn, because the clocks of two services never turn at the same instant.
/// </summary>
/// <param name="Active">false when paused or cancelled: nothing is granted</param>
/// <param name="Models">the models that may be used; empty is any</param>
/// <param name="Customer">whose it is; null where a snapshot was kept before this was</param>
public sealed record SubscriptionTerms(
    Guid Subscription,
    long Version,
    bool Active,
    Guid Plan,
    IReadOnlyList<Cap> Caps,
    IReadOnlyList<string> Models,
    TermPeriod Current,
    TermPeriod Next,
    TermPeriod? Previous = null,
    bool Paused = false,
    Guid? Customer = null)
{
    /// <summary>Why nothing is granted to a subscription that is not active.</summary>
    public Refusal WhyInactive => Paused
        ? new(Reasons.SubscriptionPaused, "the subscription is paused; start again when it is resumed")
        : new(Reasons.SubscriptionCancelled, "the subscription is cancelled");

    /// <summary>Why nothing is granted for a model that is not <see cref="Allows">allowed</see>.</summary>
    public Refusal WhyNotAllowed => new(Reasons.ModelNotInPlan, $"the plan allows {string.Join(", ", Models)}");

    /// <summary>These terms after <paramref name="older"/> ones, remembering the period that came before.</summary>
    public SubscriptionTerms After(SubscriptionTerms? older)
    {
        if (older is null) return this;
        if (older.Current.Id == Current.Id) return this with { Previous = Previous ?? older.Previous };
        if (older.Next.Id == Current.Id) return this with { Previous = older.Current };
        // A snapshot in between was lost: the last period known that is over when this one begins.
        var before = older.Next.End <= Current.Start ? older.Next : older.Current.End <= Current.Start ? older.Current : older.Previous;
        return this with { Previous = before };
    }

    public bool Allows(string model)
    {
        if (Models.Count == 0) return true;
        foreach (var allowed in Models)
            if (allowed == model) return true;
        return false;
    }

    /// <summary>True when business time has run past every period known: billing must be asked.</summary>
    public bool IsStaleAt(DateTimeOffset at) => at >= Next.End;

    /// <summary>
    /// The period that usage received at this time belongs to. Usage is never refused a period: before the first known one it is that one,
    /// after the last known one it is the last, for what was generated must be recorded even when billing has not been heard.
    /// </summary>
    public TermPeriod PeriodAt(DateTimeOffset at)
    {
        if (at >= Next.Start) return Next;
        if (at >= Current.Start || Previous is null) return Current;
        return Previous;
    }
}

/// <summary>A cap as decisions read it.</summary>
public sealed record CapRule(CapWindow Window, long Tokens, CountedKinds Kinds, bool Hard)
{
    public bool CountsGenerated => (Kinds & CountedKinds.Generated) != 0;

    public static CapRule[] Of(SubscriptionTerms terms) => [.. terms.Caps.Select(c => new CapRule(c.Window, c.Tokens, KindsOf(c), c.Enforcement == CapEnforcement.Hard))];

    private static CountedKinds KindsOf(Cap cap)
    {
        var kinds = CountedKinds.None;
        foreach (var kind in cap.Counts)
            kinds |= kind switch
            {
                TokenKind.Input => CountedKinds.Input,
                TokenKind.CachedInput => CountedKinds.CachedInput,
                TokenKind.CacheCreation => CountedKinds.CacheCreation,
                TokenKind.Output => CountedKinds.Output,
                TokenKind.Reasoning => CountedKinds.Reasoning,
                TokenKind.Overrun => CountedKinds.None,
            };
        return kinds;
    }
}
