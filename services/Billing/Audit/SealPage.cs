using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Billing.Audit;

/// <summary>An event as PostgreSQL holds it. The text of the data is what jsonb gives back, not what was once written.</summary>
public sealed record StoredEvent(long Sequence, string Stream, long Version, string Type, string Data)
{
    /// <summary>What messages about the event are known by. Not sealed: no fold reads it.</summary>
    public Guid Id { get; init; }

    /// <summary>When PostgreSQL took it in, by the real clock. Not sealed either: what happened when is in the data.</summary>
    public DateTimeOffset WrittenAt { get; init; }

    /// <summary>Whether the row is marked so that Marten reads past it (is_archived). Not sealed, and nothing here sets it: what is marked was altered.</summary>
    public bool IsArchived { get; init; }

    /// <summary>Sequence, stream, version, type and data; numbers as 8 bytes and lengths as 4, big-endian, texts as UTF-8 after their length.</summary>
    public byte[] Leaf()
    {
        var (stream, type, data) = (Encoding.UTF8.GetBytes(Stream), Encoding.UTF8.GetBytes(Type), Encoding.UTF8.GetBytes(Data));
        var bytes = new byte[8 + 4 + stream.Length + 8 + 4 + type.Length + 4 + data.Length];
        BinaryPrimitives.WriteInt64BigEndian(bytes, Sequence);
        var at = Text(bytes, 8, stream);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(at), Version);
        at = Text(bytes, at + 8, type);
        Text(bytes, at, data);
        return MerkleTree.Leaf(bytes);
    }

    public string Name => string.Create(CultureInfo.InvariantCulture, $"event {Sequence} ({Type}, version {Version} of {Stream})");

    /// <summary>What is wrong with how it is stored, whatever it says; null where nothing is.</summary>
    public string? Fault => IsArchived ? $"{Name} is hidden from the folds that decide: its row is marked is_archived" : null;

    private static int Text(byte[] bytes, int at, byte[] text)
    {
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(at), text.Length);
        text.CopyTo(bytes, at + 4);
        return at + 4 + text.Length;
    }
}

/// <summary>
/// A run of events that was sealed together and never will be again. The leaves are kept beside the root, so that what was
/// altered can be named and not just suspected; the root keeps the leaves honest, the chain the pages.
/// </summary>
/// <param name="Number">from 1</param>
/// <param name="Sequences">ascending, one per leaf; all events after the page before, up to the last of these, belong to this page</param>
public sealed record SealPage(long Number, IReadOnlyList<long> Sequences, IReadOnlyList<byte[]> Leaves, byte[] Root, byte[] PreviousChain, byte[] Chain)
{
    public long ToSequence => Sequences.Count == 0 ? 0 : Sequences[^1];

    public static SealPage Over(long number, byte[] previousChain, IReadOnlyList<StoredEvent> events)
    {
        var leaves = events.Select(e => e.Leaf()).ToArray();
        var root = MerkleTree.Root(leaves);
        return new(number, [.. events.Select(e => e.Sequence)], leaves, root, previousChain, MerkleTree.Chain(previousChain, number, root));
    }
}
