using System.Diagnostics;

namespace Hosting;

/// <summary>A stored stream that no fold can read: the JSON of an event in it does not fit the event's type, or the event could not follow those before it. Says which one, in one line.</summary>
public sealed class CorruptStreamException : InvalidOperationException
{
    private CorruptStreamException(string message, Exception cause) : base(message.ReplaceLineEndings(" "), cause) { }

    /// <summary>The same one again, for another who asks.</summary>
    public CorruptStreamException(CorruptStreamException before) : base(before.Message, before) { }

    /// <param name="name">of the event: its number, type, version and stream</param>
    public static CorruptStreamException Unreadable(string name, Exception cause) => new($"{name} cannot be read: {cause.Message}", cause);

    /// <param name="name">likewise</param>
    public static CorruptStreamException Unfoldable(string name, Exception cause) => new($"{name} cannot be folded: {cause.Message}", cause);

    /// <summary>Each event can be read and folded, and together they say what cannot be.</summary>
    /// <param name="what">is made of them</param>
    public static CorruptStreamException Unratable(string what, Exception cause) => new($"{what} cannot be rated: {cause.Message}", cause);

    /// <summary>For whoever asked for the stream's state.</summary>
    /// <param name="consequence">what became of what was asked for; empty where that is plain</param>
    public Refusal Refusal(string consequence = "") => new(
        "stream_corrupt", $"{Message}{(consequence.Length > 0 ? $"; {consequence}" : "")}. 'billing audit verify' says whether it was altered since it was sealed, and docs/events.md, 'When an event cannot be read or folded', what to do then");

    /// <summary>What a fold, or the rating of what was folded, throws at facts that cannot be.</summary>
    public static bool IsOfAFold(Exception e) =>
        e is UnreachableException or InvalidCastException or InvalidOperationException or KeyNotFoundException or ArgumentException or ArithmeticException or IndexOutOfRangeException or NullReferenceException or FormatException;
}
