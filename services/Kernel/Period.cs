namespace Kernel;

/// <summary>A span of business time, [Start, End): the end belongs to the next one. Both UTC.</summary>
public readonly record struct Period(DateTimeOffset Start, DateTimeOffset End)
{
    public bool Contains(DateTimeOffset at) => at >= Start && at < End;

    /// <summary>
    /// The n-th monthly period counted from an anchor. Boundaries are always computed from the anchor, never from the previous
    /// boundary, so that an anchor on the 31st meets the 28th in February and the 31st again in March.
    /// </summary>
    public static Period Monthly(DateTimeOffset anchor, int number) =>
        new(anchor.ToUniversalTime().AddMonths(number), anchor.ToUniversalTime().AddMonths(number + 1));

    public override string ToString() => $"[{Start:O}, {End:O})";
}
