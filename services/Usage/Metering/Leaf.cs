using System.Buffers.Binary;
using System.Text;
using Usage.Corrections;

namespace Usage.Metering;

/// <summary>
/// The Merkle leaf of a recorded row: RFC 6962 leaf hash over a fixed big-endian layout of everything that is billed. The layout
/// is public (contracts/README.md) and never changes; a new one takes another version byte.
/// </summary>
public static class Leaf
{
    public const byte LayoutVersion = 1;
    private const int CorrectionBytesMax = 1 + 5 * 16 + 4 * 2 + 7 * 8 + 1 + 3 * 128 + 1_024;
    private const int FixedBytes = 1 + 16 + 8 + 16 + 16 + 16 + 2 + 2 + 6 * 8 + 2 * 8;
    private const int TextBytesMax = 2 * 128;
    /// <summary>The most that <see cref="Write(Span{byte}, UsageRow)"/> writes.</summary>
    public const int BytesMax = FixedBytes + TextBytesMax;
    /// <summary>The layout of a correction.</summary>
    public const byte CorrectionLayoutVersion = 2;

    public static byte[] Of(
        Guid generation, long sequence, Guid subscription, Guid period, Guid plan, string conversation, string model,
        in Tally tokens, long overrunTokens, DateTimeOffset at, DateTimeOffset receivedAt)
    {
        Span<byte> buffer = stackalloc byte[BytesMax];
        var written = Write(buffer, generation, sequence, subscription, period, plan, conversation, model, tokens, overrunTokens, at, receivedAt);
        return MerkleTree.Leaf(buffer[..written]);
    }

    /// <summary>What the leaf of a row is the hash of. Returns how many bytes.</summary>
    public static int Write(Span<byte> to, UsageRow row)
    {
        var header = row.Generation.Header;
        return Write(to, header.Id, row.Sequence, header.Subscription, row.Period.Id, row.Plan, header.Conversation, header.Model,
            row.Tokens, row.OverrunTokens, row.At, row.ReceivedAt);
    }

    /// <summary>The leaf of a correction: the same fields, signed, and who answers for it.</summary>
    public static byte[] Of(UsageCorrection c)
    {
        Span<byte> buffer = stackalloc byte[CorrectionBytesMax];
        buffer[0] = CorrectionLayoutVersion;
        var position = 1;
        PutId(buffer, ref position, c.Id);
        PutId(buffer, ref position, c.Subscription);
        PutId(buffer, ref position, c.Period);
        PutId(buffer, ref position, c.Plan);
        PutId(buffer, ref position, c.Generation ?? Guid.Empty);
        PutText(buffer, ref position, c.Conversation);
        PutText(buffer, ref position, c.Model);
        PutTokens(buffer, ref position, c.Deltas, c.OverrunDelta);
        PutLong(buffer, ref position, Microseconds(c.RecordedAt));
        buffer[position++] = c.Void ? (byte)1 : (byte)0;
        PutText(buffer, ref position, c.Author);
        PutText(buffer, ref position, c.Reason);
        return MerkleTree.Leaf(buffer[..position]);
    }

    private static int Write(
        Span<byte> to, Guid generation, long sequence, Guid subscription, Guid period, Guid plan, string conversation, string model,
        in Tally tokens, long overrunTokens, DateTimeOffset at, DateTimeOffset receivedAt)
    {
        to[0] = LayoutVersion;
        var position = 1;
        PutId(to, ref position, generation);
        PutLong(to, ref position, sequence);
        PutId(to, ref position, subscription);
        PutId(to, ref position, period);
        PutId(to, ref position, plan);
        PutText(to, ref position, conversation);
        PutText(to, ref position, model);
        PutTokens(to, ref position, tokens, overrunTokens);
        PutLong(to, ref position, Microseconds(at));
        PutLong(to, ref position, Microseconds(receivedAt));
        return position;
    }

    private static void PutTokens(Span<byte> to, ref int position, in Tally tokens, long overrunTokens)
    {
        PutLong(to, ref position, tokens.Input);
        PutLong(to, ref position, tokens.CachedInput);
        PutLong(to, ref position, tokens.CacheCreation);
        PutLong(to, ref position, tokens.Output);
        PutLong(to, ref position, tokens.Reasoning);
        PutLong(to, ref position, overrunTokens);
    }

    private static long Microseconds(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;

    private static void PutId(Span<byte> to, ref int position, Guid id)
    {
        id.TryWriteBytes(to[position..], bigEndian: true, out _);
        position += 16;
    }

    private static void PutLong(Span<byte> to, ref int position, long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(to[position..], value);
        position += 8;
    }

    private static void PutText(Span<byte> to, ref int position, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text, to[(position + 2)..]);
        BinaryPrimitives.WriteUInt16BigEndian(to[position..], (ushort)bytes);
        position += 2 + bytes;
    }
}
