using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using Npgsql;

namespace Bench.Metering;

/// <summary>
/// What PostgreSQL does with the same rows when nobody decides anything: COPY to a temporary table and INSERT … ON CONFLICT DO NOTHING into
/// a table of the ledger's columns and key, not partitioned and with no other index. Rows are bytes made beforehand; as many writers as cores.
/// </summary>
public sealed class CopyBaseline(NpgsqlDataSource postgres, int batchRows)
{
    private const int Columns = 24, GenerationAt = 2 + 4, SequenceAt = GenerationAt + 16 + 4;
    private static readonly byte[] Header = [.. "PGCOPY\n"u8, 0xFF, 0x0D, 0x0A, 0x00, 0, 0, 0, 0, 0, 0, 0, 0];
    private readonly byte[] _row = Row();
    private long _rows;

    public async Task CreateTableAsync(CancellationToken ct) =>
        await ExecuteAsync(await postgres.OpenConnectionAsync(ct), "create table usage.copy_baseline (like usage.token_event, primary key (generation, sequence))", ct);

    /// <summary>Rows a second over so long a time, how many, and how long a batch took to its commit.</summary>
    public async Task<(double PerSecond, long Rows, Latencies Commits)> RunAsync(TimeSpan time, CancellationToken ct)
    {
        _rows = 0;
        var begin = Stopwatch.GetTimestamp();
        var commits = await Task.WhenAll(Enumerable.Range(0, Environment.ProcessorCount).Select(n => Task.Run(() => WriteAsync(begin, time, ct), ct)));
        return (_rows / Stopwatch.GetElapsedTime(begin).TotalSeconds, _rows, Latencies.Of(commits));
    }

    private async Task<Latencies> WriteAsync(long begin, TimeSpan time, CancellationToken ct)
    {
        var commits = new Latencies();
        await using var connection = await postgres.OpenConnectionAsync(ct);
        await ExecuteAsync(connection, "create temporary table if not exists staged (like usage.token_event) on commit delete rows", ct);
        var batch = new byte[batchRows * _row.Length];
        while (Stopwatch.GetElapsedTime(begin) < time)
        {
            Fill(batch);
            var since = Stopwatch.GetTimestamp();
            await using var transaction = await connection.BeginTransactionAsync(ct);
            await using (var copy = await connection.BeginRawBinaryCopyAsync("copy staged from stdin (format binary)", ct))
            {
                await copy.WriteAsync(Header, ct);
                await copy.WriteAsync(batch, ct);
                await copy.WriteAsync(new byte[] { 0xFF, 0xFF }, ct);
            }
            await ExecuteAsync(connection, "insert into usage.copy_baseline select * from staged on conflict do nothing", ct);
            await transaction.CommitAsync(ct);
            commits.Add(Stopwatch.GetTimestamp() - since);
            Interlocked.Add(ref _rows, batchRows);
        }
        return commits;
    }

    /// <summary>New generations of as many chunks as the load's have, time-ordered as theirs are.</summary>
    private void Fill(Span<byte> batch)
    {
        var generation = Guid.Empty;
        for (var n = 0; n < batchRows; n++)
        {
            var sequence = n % WorkerLoad.ChunksPerGeneration + 1;
            if (sequence == 1) generation = Ids.NewGuid(TimeProvider.System.GetUtcNow());
            var row = batch.Slice(n * _row.Length, _row.Length);
            _row.CopyTo(row);
            generation.TryWriteBytes(row[GenerationAt..], bigEndian: true, out _);
            BinaryPrimitives.WriteInt64BigEndian(row[SequenceAt..], sequence);
        }
    }

    private static byte[] Row()
    {
        var row = new List<byte>();
        void Put(params ReadOnlySpan<byte> value)
        {
            Span<byte> length = stackalloc byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, value.Length);
            row.AddRange(length);
            row.AddRange(value);
        }
        row.AddRange([0, Columns]);
        Put(new byte[16]); // generation
        Put(new byte[8]); // sequence
        Put(new byte[4]); // shard
        Put(new byte[8]); // batch
        Put(new byte[4]); // ordinal
        for (var id = 0; id < 2; id++) Put(new byte[16]); // subscription, period
        Put(new byte[8]); // period_end
        Put(new byte[16]); // plan
        Put(Encoding.UTF8.GetBytes("0123456789abcdef")); // conversation
        Put(Encoding.UTF8.GetBytes("small-model")); // model
        for (var number = 0; number < 9; number++) Put(new byte[8]); // six counts, at, received_at, content
        Put(new byte[2]); // finish
        Put(new byte[32]); // leaf
        for (var window = 0; window < 2; window++) row.AddRange([0xFF, 0xFF, 0xFF, 0xFF]); // five_hours, week: in none
        return [.. row];
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }
}
