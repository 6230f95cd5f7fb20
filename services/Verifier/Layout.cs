using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Verifier;

/// <summary>The bytes that leaves are the hashes of: of billing's events as its README says, of usage's rows as contracts/README.md does.</summary>
public static class Layout
{
    private const int IdBytes = 16;
    // Nearly every row fits into it.
    private const int RowBytes = 256;

    /// <summary>A stored event of billing, with its data as PostgreSQL gives it back.</summary>
    public static byte[] LeafOfEvent(long sequence, string stream, long version, string type, string data)
    {
        var content = new ArrayBufferWriter<byte>(RowBytes + data.Length);
        Put(content, sequence);
        PutText(content, stream, 4);
        Put(content, version);
        PutText(content, type, 4);
        PutText(content, data, 4);
        return HashTree.Leaf(content.WrittenSpan);
    }

    /// <summary>A row of usage.</summary>
    /// <exception cref="FormatException">An id is not 32 hex digits after its prefix, or a text is longer than any that usage records.</exception>
    public static byte[] LeafOfRow(LedgerRow row)
    {
        var content = new ArrayBufferWriter<byte>(RowBytes);
        PutByte(content, (byte)(row.Correction is null ? 0x01 : 0x02));
        if (row.Correction is { } correction) PutId(content, correction.CorrectionId);
        else
        {
            PutId(content, row.GenerationId);
            Put(content, row.Sequence);
        }
        PutId(content, row.SubscriptionId);
        PutId(content, row.PeriodId);
        PutId(content, row.PlanId);
        if (row.Correction is not null) PutId(content, row.GenerationId);
        PutText(content, row.Conversation, 2);
        PutText(content, row.Model, 2);
        Put(content, row.Input);
        Put(content, row.CachedInput);
        Put(content, row.CacheCreation);
        Put(content, row.Output);
        Put(content, row.Reasoning);
        Put(content, row.Overrun);
        if (row.Correction is { } note)
        {
            Put(content, Microseconds(row.ReceivedAt));
            PutByte(content, (byte)(note.Void ? 0x01 : 0x00));
            PutText(content, note.Author, 2);
            PutText(content, note.Reason, 2);
        }
        else
        {
            Put(content, Microseconds(row.At));
            Put(content, Microseconds(row.ReceivedAt));
        }
        return HashTree.Leaf(content.WrittenSpan);
    }

    private static void PutByte(ArrayBufferWriter<byte> to, byte value) => to.Write([value]);

    /// <summary>Eight bytes, the highest first.</summary>
    private static void Put(ArrayBufferWriter<byte> to, long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(to.GetSpan(8), value);
        to.Advance(8);
    }

    /// <summary>How many bytes of UTF-8 follow, in so many bytes, and then those.</summary>
    private static void PutText(ArrayBufferWriter<byte> to, string text, int lengthBytes)
    {
        var count = Encoding.UTF8.GetByteCount(text);
        var room = to.GetSpan(lengthBytes + count);
        if (lengthBytes == 4) BinaryPrimitives.WriteInt32BigEndian(room, count);
        else BinaryPrimitives.WriteUInt16BigEndian(room, count <= ushort.MaxValue ? (ushort)count : throw new FormatException("a text of a row is too long"));
        Encoding.UTF8.GetBytes(text, room[lengthBytes..]);
        to.Advance(lengthBytes + count);
    }

    private static void PutId(ArrayBufferWriter<byte> to, string id)
    {
        var room = to.GetSpan(IdBytes)[..IdBytes];
        if (id.Length == 0) room.Clear();
        else
        {
            var digits = id.AsSpan(id.IndexOf('_', StringComparison.Ordinal) + 1);
            if (digits.Length != 2 * IdBytes || Convert.FromHexString(digits, room, out _, out _) != OperationStatus.Done) throw new FormatException($"{id} is not an id");
        }
        to.Advance(IdBytes);
    }

    private static long Microseconds(DateTimeOffset at) => (at.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;
}

/// <summary>A recorded row of usage, everything that its leaf is the hash of.</summary>
/// <param name="GenerationId">gen_…; empty for a correction of a whole period</param>
/// <param name="Sequence">within the generation; 0 is the prompt, and every correction</param>
/// <param name="Input">this and the counts after it are increments that count as used, those of a correction signed</param>
/// <param name="Correction">null for what a runtime reported</param>
public sealed record LedgerRow(
    string GenerationId, long Sequence, string SubscriptionId, string PeriodId, string PlanId, string Conversation, string Model,
    long Input, long CachedInput, long CacheCreation, long Output, long Reasoning, long Overrun, DateTimeOffset At, DateTimeOffset ReceivedAt, CorrectionNote? Correction = null)
{
    /// <summary>By kind, in the order of the layout.</summary>
    public IReadOnlyList<(string Kind, long Tokens)> Tokens =>
        [("input", Input), ("cached_input", CachedInput), ("cache_creation", CacheCreation), ("output", Output), ("reasoning", Reasoning), ("overrun", Overrun)];
}

public sealed record CorrectionNote(string CorrectionId, bool Void, string Author, string Reason);
