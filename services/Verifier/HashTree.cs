using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Verifier;

/// <summary>
/// The tree hash of RFC 6962 section 2.1 and the chain of contracts/README.md, written from those texts and from nothing of the writer's: a fault there
/// does not excuse itself here. Hashes are 32 bytes.
/// </summary>
public static class HashTree
{
    /// <summary>The root of nothing, and the chain before its first link.</summary>
    public static byte[] Empty => SHA256.HashData([]);

    public static byte[] Leaf(ReadOnlySpan<byte> content) => SHA256.HashData([0x00, .. content]);

    /// <summary>MTH of the RFC, as it is defined: the left side of a split is the largest power of two below the count.</summary>
    public static byte[] Root(ReadOnlySpan<byte[]> leaves)
    {
        if (leaves.Length == 0) return Empty;
        if (leaves.Length == 1) return leaves[0];
        var left = Split(leaves.Length);
        return Node(Root(leaves[..(int)left]), Root(leaves[(int)left..]));
    }

    /// <param name="path">of the leaf, lowest sibling first</param>
    /// <returns>the root of a tree of <paramref name="count"/> leaves that has this leaf at <paramref name="index"/>; null if the path is not one of such a leaf</returns>
    public static byte[]? RootOf(long count, long index, byte[] leaf, ReadOnlySpan<byte[]> path)
    {
        if (index < 0 || index >= count) return null;
        if (count == 1) return path.Length == 0 ? leaf : null;
        if (path.Length == 0) return null;
        var left = Split(count);
        return index < left
            ? RootOf(left, index, leaf, path[..^1]) is { } root ? Node(root, path[^1]) : null
            : RootOf(count - left, index - left, leaf, path[..^1]) is { } other ? Node(path[^1], other) : null;
    }

    /// <summary>SHA-256(0x02 ‖ previous ‖ number, 8 bytes big-endian ‖ root).</summary>
    public static byte[] Link(ReadOnlySpan<byte> previous, long number, ReadOnlySpan<byte> root)
    {
        Span<byte> eight = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(eight, number);
        return SHA256.HashData([0x02, .. previous, .. eight, .. root]);
    }

    private static byte[] Node(byte[] left, byte[] right) => SHA256.HashData([0x01, .. left, .. right]);

    private static long Split(long count)
    {
        // Compared without doubling: a forged count may be the largest that there is.
        long left = 1;
        while (left < count - left) left *= 2;
        return left;
    }
}
