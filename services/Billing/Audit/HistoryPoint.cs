using System.Collections.Concurrent;

namespace Billing.Audit;

/// <summary>A point in history: the number of an event in the log, or a moment of business time, both included. The default is now.</summary>
public readonly record struct HistoryPoint(long? Sequence = null, DateTimeOffset? Time = null)
{
    public bool Knows(long sequence, DateTimeOffset at) => !(sequence > Sequence) && !(at > Time);

    public override string ToString() => this switch
    {
        { Sequence: { } sequence } => FormattableString.Invariant($"event {sequence}"),
        { Time: { } time } => FormattableString.Invariant($"{time.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}"),
        _ => "now",
    };
}

/// <summary>When events happened, on the business clock.</summary>
public static class BusinessTimes
{
    private static readonly string[] Names = ["At", "RecordedAt", "PublishedAt"];
    private static readonly ConcurrentDictionary<Type, Func<object, DateTimeOffset>> Known = new();

    /// <exception cref="InvalidOperationException">An event type that says no time: every stored event must.</exception>
    public static DateTimeOffset Of(object e) => Known.GetOrAdd(e.GetType(), static type =>
    {
        var property = Names.Select(type.GetProperty).FirstOrDefault(p => p?.PropertyType == typeof(DateTimeOffset))
            ?? throw new InvalidOperationException($"{type.Name} does not say when it happened: give it an At");
        return stored => (DateTimeOffset)property.GetValue(stored)!;
    })(e);
}
