using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Kernel;

/// <summary>
/// The Merkle tree hash of RFC 6962 section 2.1 over SHA-256, its inclusion proofs, and the chain that links one root to the
/// next. Hashes are 32 bytes. Usage seals its batches with it, billing its pages of events.
/// </summary>
public static class MerkleTree
{
    public const int HashBytes = 32;
    private const int NodeBytes = 1 + 2 * HashBytes;

    /// <summary>The root of no leaves at all, and the chain value before the first page.</summary>
    public static byte[] EmptyRoot => SHA256.HashData([]);

    public static byte[] Leaf(ReadOnlySpan<byte> content)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([0x00]);
        hash.AppendData(content);
        return hash.GetHashAndReset();
    }

    /// <param name="index">of the leaf</param>
    /// <returns>how many bytes were written</returns>
    public delegate int WriteContent(Span<byte> to, int index);

    /// <summary>The leaves of many contents, hashed eight at a time.</summary>
    /// <param name="contentBytesMax">of one content: how much room <paramref name="write"/> is given</param>
    public static byte[][] Leaves(int count, int contentBytesMax, WriteContent write)
    {
        var leaves = new byte[count][];
        var laneBytes = Sha256Lanes.BytesFor(1 + contentBytesMax);
        var lanes = new byte[Sha256Lanes.Count * laneBytes];
        Span<int> lengths = stackalloc int[Sha256Lanes.Count];
        for (var from = 0; from < count; from += Sha256Lanes.Count)
        {
            var some = Math.Min(Sha256Lanes.Count, count - from);
            for (var i = 0; i < some; i++)
            {
                lanes[i * laneBytes] = 0x00;
                lengths[i] = 1 + write(lanes.AsSpan(i * laneBytes + 1, contentBytesMax), from + i);
            }
            Sha256Lanes.Hash(lanes, laneBytes, lengths[..some], leaves.AsSpan(from, some));
        }
        return leaves;
    }

    public static byte[] Root(IReadOnlyList<byte[]> leaves)
    {
        if (leaves.Count == 0) return EmptyRoot;
        // Pairing neighbours level by level, the odd one carried up, is the RFC's split at the largest power of two.
        var level = leaves.ToArray();
        var count = level.Length;
        while (count > 1)
        {
            Pair(level, count / 2);
            if (count % 2 == 1) level[count / 2] = level[count - 1];
            count = (count + 1) / 2;
        }
        return level[0];
    }

    /// <summary>The sibling hashes from the leaf at <paramref name="index"/> up to the root, lowest first.</summary>
    public static IReadOnlyList<byte[]> InclusionProof(IReadOnlyList<byte[]> leaves, int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, leaves.Count);
        var proof = new List<byte[]>();
        var level = leaves.ToList();
        for (; level.Count > 1; index /= 2)
        {
            var sibling = index ^ 1;
            if (sibling < level.Count) proof.Add(level[sibling]);
            var next = new List<byte[]>((level.Count + 1) / 2);
            for (var i = 0; i < level.Count; i += 2) next.Add(i + 1 < level.Count ? Node(level[i], level[i + 1]) : level[i]);
            level = next;
        }
        return proof;
    }

    /// <summary>Whether the leaf stands at <paramref name="index"/> of a tree of <paramref name="count"/> leaves with this root.</summary>
    public static bool Includes(byte[] root, long count, long index, byte[] leaf, IReadOnlyList<byte[]> proof)
    {
        if (index < 0 || index >= count) return false;
        var (hash, used, last) = (leaf, 0, count - 1);
        for (; last > 0; index /= 2, last /= 2)
        {
            if (index == last && index % 2 == 0) continue;
            if (used == proof.Count) return false;
            var sibling = proof[used++];
            hash = index % 2 == 0 ? Node(hash, sibling) : Node(sibling, hash);
        }
        return used == proof.Count && hash.AsSpan().SequenceEqual(root);
    }

    /// <summary>The chain value after a page: SHA-256(0x02 ‖ previous ‖ number, 8 bytes big-endian ‖ root).</summary>
    public static byte[] Chain(ReadOnlySpan<byte> previous, long number, ReadOnlySpan<byte> root)
    {
        Span<byte> bytes = stackalloc byte[1 + HashBytes + 8 + HashBytes];
        bytes[0] = 0x02;
        previous.CopyTo(bytes[1..]);
        BinaryPrimitives.WriteInt64BigEndian(bytes[(1 + HashBytes)..], number);
        root.CopyTo(bytes[(1 + HashBytes + 8)..]);
        return SHA256.HashData(bytes);
    }

    /// <summary>Puts the nodes above the first pairs of a level at its beginning, eight at a time: what they overwrite has been read.</summary>
    private static void Pair(byte[][] level, int pairs)
    {
        var laneBytes = Sha256Lanes.BytesFor(NodeBytes);
        Span<byte> lanes = stackalloc byte[Sha256Lanes.Count * laneBytes];
        Span<int> lengths = stackalloc int[Sha256Lanes.Count];
        lengths.Fill(NodeBytes);
        for (var from = 0; from < pairs; from += Sha256Lanes.Count)
        {
            var some = Math.Min(Sha256Lanes.Count, pairs - from);
            for (var i = 0; i < some; i++) PutNode(lanes[(i * laneBytes)..], level[2 * (from + i)], level[2 * (from + i) + 1]);
            Sha256Lanes.Hash(lanes, laneBytes, lengths[..some], level.AsSpan(from, some));
        }
    }

    private static byte[] Node(byte[] left, byte[] right)
    {
        Span<byte> bytes = stackalloc byte[NodeBytes];
        PutNode(bytes, left, right);
        return SHA256.HashData(bytes);
    }

    private static void PutNode(Span<byte> to, byte[] left, byte[] right)
    {
        to[0] = 0x01;
        left.CopyTo(to[1..]);
        right.CopyTo(to[(1 + HashBytes)..]);
    }
}
