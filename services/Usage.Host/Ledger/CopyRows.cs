using System.Buffers.Binary;
using System.Text;
using Npgsql;

namespace Usage.Host.Ledger;

/// <summary>
/// Rows in PostgreSQL's binary COPY format (its manual, "COPY", Binary Format): per row the number of fields, then each field's length and
/// bytes, numbers big-endian. Written here because a general importer looks up a converter for every value, which for a ledger row
/// costs more than all else that is done to it. Sent in pieces, and used again for the next batch.
/// </summary>
public sealed class CopyRows(int columns)
{
    private const int PieceBytes = 64 * 1024;
    private const long PostgresEpochTicks = 630_822_816_000_000_000; // 2000-01-01
    private static readonly byte[] Signature = [.. "PGCOPY\n"u8, 0xFF, 0x0D, 0x0A, 0x00, 0, 0, 0, 0, 0, 0, 0, 0];
    private byte[] _bytes = new byte[2 * PieceBytes];
    private int _used;

    /// <summary>Begins anew: what was not sent is forgotten.</summary>
    public void Begin()
    {
        _used = 0;
        Signature.CopyTo(Next(Signature.Length));
    }

    public void StartRow() => BinaryPrimitives.WriteInt16BigEndian(Next(2), (short)columns);

    public void Put(Guid value) => value.TryWriteBytes(Field(16), bigEndian: true, out _);
    public void Put(long value) => BinaryPrimitives.WriteInt64BigEndian(Field(8), value);
    public void Put(int value) => BinaryPrimitives.WriteInt32BigEndian(Field(4), value);
    public void Put(short value) => BinaryPrimitives.WriteInt16BigEndian(Field(2), value);
    public void Put(ReadOnlySpan<byte> value) => value.CopyTo(Field(value.Length));

    /// <summary>Whole microseconds, as the table keeps them.</summary>
    public void Put(DateTimeOffset value) => Put((value.UtcTicks - PostgresEpochTicks) / TimeSpan.TicksPerMicrosecond);

    public void Put(DateTimeOffset? value)
    {
        if (value is { } moment) Put(moment);
        else BinaryPrimitives.WriteInt32BigEndian(Next(4), -1);
    }

    public void Put(string value) => Encoding.UTF8.GetBytes(value, Field(Encoding.UTF8.GetByteCount(value)));

    /// <summary>Sends what has gathered, once it is enough to be worth it.</summary>
    public ValueTask SendAsync(NpgsqlRawCopyStream copy, CancellationToken ct) => _used < PieceBytes ? ValueTask.CompletedTask : SendAllAsync(copy, ct);

    public async ValueTask EndAsync(NpgsqlRawCopyStream copy, CancellationToken ct)
    {
        BinaryPrimitives.WriteInt16BigEndian(Next(2), -1);
        await SendAllAsync(copy, ct);
    }

    private async ValueTask SendAllAsync(NpgsqlRawCopyStream copy, CancellationToken ct)
    {
        await copy.WriteAsync(_bytes.AsMemory(0, _used), ct);
        _used = 0;
    }

    private Span<byte> Field(int length)
    {
        BinaryPrimitives.WriteInt32BigEndian(Next(4), length);
        return Next(length);
    }

    private Span<byte> Next(int length)
    {
        if (_used + length > _bytes.Length) Array.Resize(ref _bytes, Math.Max(2 * _bytes.Length, _used + length));
        _used += length;
        return _bytes.AsSpan(_used - length, length);
    }
}
