using System.Diagnostics;

namespace Billing.Host;

/// <summary>A stored stream that no fold can read: an event in it could not follow those before it. Says which one.</summary>
public sealed class CorruptStreamException : InvalidOperationException
{
    internal CorruptStreamException(StreamEvent e, Exception cause)
        : base(FormattableString.Invariant($"event {e.Sequence} ({e.Type}, version {e.Version} of {e.Stream}) cannot be folded: {cause.Message}"), cause) { }

    /// <summary>Of a stream of which only the bodies are kept.</summary>
    public CorruptStreamException(string stream, long version, object e, Exception cause)
        : base(FormattableString.Invariant($"version {version} of {stream} ({e.GetType().Name}) cannot be folded: {cause.Message}"), cause) { }

    /// <summary>The same one again, for another who asks.</summary>
    public CorruptStreamException(CorruptStreamException before) : base(before.Message, before) { }

    /// <summary>What a fold, or the rating of what was folded, throws at facts that cannot be.</summary>
    public static bool IsOfAFold(Exception e) =>
        e is UnreachableException or InvalidCastException or InvalidOperationException or KeyNotFoundException or ArgumentException or ArithmeticException or IndexOutOfRangeException or NullReferenceException or FormatException;
}
