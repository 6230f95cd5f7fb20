using System.Text;

namespace Verifier;

/// <summary>The bytes that leaves are the hashes of: of billing's events as its README says, of usage's rows as contracts/README.md does.</summary>
public static class Layout
{
    /// <summary>A stored event of billing, with its data as PostgreSQL gives it back.</summary>
    public static byte[] LeafOfEvent(long sequence, string stream, long version, string type, string data)
    {
        var bytes = new List<byte>();
        Put(bytes, sequence, 8);
        PutText(bytes, stream, 4);
        Put(bytes, version, 8);
        PutText(bytes, type, 4);
        PutText(bytes, data, 4);
        return HashTree.Leaf(bytes.ToArray());
    }

    /// <summary>A row of usage.</summary>
    /// <exception cref="FormatException">An id is not 32 hex digits after its prefix, or a text is longer than any that usage records.</exception>
    public static byte[] LeafOfRow(LedgerRow row)
    {
        var bytes = new List<byte> { (byte)(row.Correction is null ? 0x01 : 0x02) };
        if (row.Correction is { } correction) PutId(bytes, correction.CorrectionId);
        else
        {
            PutId(bytes, row.GenerationId);
            Put(bytes, row.Sequence, 8);
        }
        PutId(bytes, row.SubscriptionId);
        PutId(bytes, row.PeriodId);
        PutId(bytes, row.PlanId);
        if (row.Correction is not null) PutId(bytes, row.GenerationId);
        PutText(bytes, row.Conversation, 2);
        PutText(bytes, row.Model, 2);
        foreach (var (_, tokens) in row.Tokens) Put(bytes, tokens, 8);
        if (row.Correction is { } note)
        {
            Put(bytes, Microseconds(row.ReceivedAt), 8);
            bytes.Add((byte)(note.Void ? 0x01 : 0x00));
            PutText(bytes, note.Author, 2);
            PutText(bytes, note.Reason, 2);
        }
        else
        {
            Put(bytes, Microseconds(row.At), 8);
            Put(bytes, Microseconds(row.ReceivedAt), 8);
        }
        return HashTree.Leaf(bytes.ToArray());
    }

    internal static void Put(List<byte> to, long value, int length)
    {
        for (var i = length - 1; i >= 0; i--) to.Add((byte)((value >> (8 * i)) & 0xFF));
    }

    private static void PutText(List<byte> to, string text, int lengthBytes)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        if (lengthBytes == 2 && bytes.Length > ushort.MaxValue) throw new FormatException("a text of a row is too long");
        Put(to, bytes.Length, lengthBytes);
        to.AddRange(bytes);
    }

    private static void PutId(List<byte> to, string id)
    {
        if (id.Length == 0) { to.AddRange(new byte[16]); return; }
        var bytes = Convert.FromHexString(id.AsSpan(id.IndexOf('_', StringComparison.Ordinal) + 1));
        if (bytes.Length != 16) throw new FormatException($"{id} is not an id");
        to.AddRange(bytes);
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
