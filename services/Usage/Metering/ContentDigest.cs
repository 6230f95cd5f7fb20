using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Usage.Caps;

namespace Usage.Metering;

/// <summary>
/// Tells a true repeat from the same key with other content: the first 8 bytes of SHA-256 over what the runtime said. It finds
/// mistakes, it is no seal: content that collides is acknowledged as the repeat it claims to be, and still not counted twice.
/// </summary>
public static class ContentDigest
{
    public static long OfFrame(long sequence, in Tally said, DateTimeOffset? at, FinishReason finish, bool hasTotals)
    {
        Span<byte> bytes = stackalloc byte[8 * 8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, sequence);
        Write(bytes[8..], said);
        BinaryPrimitives.WriteInt64BigEndian(bytes[48..], at is { } time ? time.UtcTicks : -1);
        BinaryPrimitives.WriteInt64BigEndian(bytes[56..], ((long)finish << 1) | (hasTotals ? 1L : 0L));
        return First8(bytes);
    }

    public static long OfStart(Guid subscription, string conversation, string model, in Tally prompt, long outputTokensMax, CountMode mode)
    {
        var bytes = new byte[16 + 5 * 8 + 8 + 1 + 4 + Encoding.UTF8.GetByteCount(conversation) + Encoding.UTF8.GetByteCount(model)];
        var span = bytes.AsSpan();
        subscription.TryWriteBytes(span, bigEndian: true, out _);
        Write(span[16..], prompt);
        BinaryPrimitives.WriteInt64BigEndian(span[56..], outputTokensMax);
        span[64] = (byte)mode;
        BinaryPrimitives.WriteInt32BigEndian(span[65..], conversation.Length);
        var written = Encoding.UTF8.GetBytes(conversation, span[69..]);
        Encoding.UTF8.GetBytes(model, span[(69 + written)..]);
        return First8(bytes);
    }

    private static void Write(Span<byte> to, in Tally tally)
    {
        BinaryPrimitives.WriteInt64BigEndian(to, tally.Input);
        BinaryPrimitives.WriteInt64BigEndian(to[8..], tally.CachedInput);
        BinaryPrimitives.WriteInt64BigEndian(to[16..], tally.CacheCreation);
        BinaryPrimitives.WriteInt64BigEndian(to[24..], tally.Output);
        BinaryPrimitives.WriteInt64BigEndian(to[32..], tally.Reasoning);
    }

    private static long First8(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes, hash);
        return BinaryPrimitives.ReadInt64BigEndian(hash);
    }
}
