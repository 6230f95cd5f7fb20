using System.Buffers.Binary;
using Billing;
using Billing.Host;
using Billing.Periods;
using Marten;
using Npgsql;
using NpgsqlTypes;
using Usage.Metering;

namespace Bench.Books;

/// <summary>
/// A month as usage and billing hold it when all of it is applied: each report has one batch with ten rows of every subscription, and one event in each period. Written by COPY with true
/// leaves, roots and chain values, so that an audit finds nothing.
/// </summary>
public sealed class RecordedMonth(string billing, string usage, IReadOnlyList<string> subscriptions, int reports)
{
    private const int RowsPerLine = 10, Shard = 0;
    private const long TokensPerRow = 7;
    private static readonly DateTimeOffset At = BillingServers.Jan1;
    private readonly (Guid Subscription, Guid Period, string PeriodId)[] _of =
        [.. subscriptions.Select(s => (Ids.Parse(Ids.Subscription, s), Ids.Parse(Ids.Period, Company.PeriodOf(s)), Company.PeriodOf(s)))];
    private readonly Guid _plan = Ids.Parse(Ids.Plan, Company.Plan);

    public long RawEvents => (long)subscriptions.Count * reports * RowsPerLine;

    public async Task<RecordedMonth> WriteAsync(CancellationToken ct)
    {
        var (roots, chains) = await RowsAsync(ct);
        await BatchesAsync(roots, chains, ct);
        await BooksAsync(roots, chains, ct);
        foreach (var (connection, schema) in new[] { (usage, "usage"), (billing, "billing") })
        {
            await using var source = NpgsqlDataSource.Create(connection);
            await using var analyze = source.CreateCommand(schema == "usage" ? "analyze usage.token_event" : "analyze billing.mt_events");
            analyze.CommandTimeout = 0;
            await analyze.ExecuteNonQueryAsync(ct);
        }
        return this;
    }

    private async Task<(List<byte[]> Roots, List<byte[]> Chains)> RowsAsync(CancellationToken ct)
    {
        var (roots, chains, chain) = (new List<byte[]>(), new List<byte[]>(), MerkleTree.EmptyRoot);
        await using var connection = new NpgsqlConnection(usage);
        await connection.OpenAsync(ct);
        await using var copy = await connection.BeginBinaryImportAsync("""
            copy usage.token_event (generation, sequence, shard, batch, ordinal, subscription, period, period_end, plan, conversation, model, input, cached_input, cache_creation, output, reasoning,
              overrun, at, received_at, content, finish, leaf) from stdin (format binary)
            """, ct);
        copy.Timeout = TimeSpan.Zero;
        long rows = 0;
        for (var report = 1; report <= reports; report++)
        {
            var leaves = new List<byte[]>();
            foreach (var (subscription, period, _) in _of)
                for (var i = 0; i < RowsPerLine; i++)
                {
                    var generation = Generation(rows++);
                    var leaf = Leaf.Of(generation, 1, subscription, period, _plan, "conversation", "model", new Tally(0, 0, 0, TokensPerRow, 0), 0, At, At);
                    await copy.StartRowAsync(ct);
                    await copy.WriteAsync(generation, ct);
                    await copy.WriteAsync(1L, ct);
                    await copy.WriteAsync(Shard, ct);
                    await copy.WriteAsync((long)report, ct);
                    await copy.WriteAsync(leaves.Count, ct);
                    await copy.WriteAsync(subscription, ct);
                    await copy.WriteAsync(period, ct);
                    await copy.WriteAsync(BillingServers.Feb1, NpgsqlDbType.TimestampTz, ct);
                    await copy.WriteAsync(_plan, ct);
                    await copy.WriteAsync("conversation", ct);
                    await copy.WriteAsync("model", ct);
                    for (var kind = 0; kind < 6; kind++) await copy.WriteAsync(kind == 3 ? TokensPerRow : 0L, ct);
                    await copy.WriteAsync(At, NpgsqlDbType.TimestampTz, ct);
                    await copy.WriteAsync(At, NpgsqlDbType.TimestampTz, ct);
                    await copy.WriteAsync(0L, ct);
                    await copy.WriteAsync((short)1, NpgsqlDbType.Smallint, ct);
                    await copy.WriteAsync(leaf, ct);
                    leaves.Add(leaf);
                }
            roots.Add(MerkleTree.Root(leaves));
            chains.Add(chain = MerkleTree.Chain(chain, report, roots[^1]));
        }
        await copy.CompleteAsync(ct);
        return (roots, chains);
    }

    private async Task BatchesAsync(List<byte[]> roots, List<byte[]> chains, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(usage);
        await connection.OpenAsync(ct);
        for (var report = 1; report <= reports; report++)
        {
            var previous = report == 1 ? MerkleTree.EmptyRoot : chains[report - 2];
            await Execute(connection, """
                insert into usage.batch (shard, number, row_count, root, previous_chain, chain, committed_at) values ($1, $2, $3, $4, $5, $6, $7)
                """, ct, Shard, (long)report, (long)subscriptions.Count * RowsPerLine, roots[report - 1], previous, chains[report - 1], At);
            await Execute(connection, """
                insert into usage.report (shard, number, first_batch, last_batch, previous_chain, chain, recorded_at, published) values ($1, $2, $2, $2, $3, $4, $5, true)
                """, ct, Shard, (long)report, previous, chains[report - 1], At);
            await Execute(connection, """
                insert into usage.report_line (shard, number, subscription, period, period_end, plan, kind, tokens) select $1, $2, s, p, $5, $6, 'output', $7 from unnest($3, $4) as t(s, p)
                """, ct, Shard, (long)report, _of.Select(o => o.Subscription).ToArray(), _of.Select(o => o.Period).ToArray(), BillingServers.Feb1, _plan, TokensPerRow * RowsPerLine);
        }
        await Execute(connection, "update usage.shard set last_batch = $2, chain = $3, last_report = $2, reported_batch = $2, reported_chain = $3 where shard = $1", ct, Shard, (long)reports, chains[^1]);
    }

    private async Task BooksAsync(List<byte[]> roots, List<byte[]> chains, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(billing);
        await connection.OpenAsync(ct);
        await using var last = new NpgsqlCommand("select max(seq_id) from billing.mt_events", connection);
        var sequence = (long)(await last.ExecuteScalarAsync(ct))!;
        await using (var store = await BillingStore.OpenAsync(billing))
        {
            var type = ((IReadOnlyStoreOptions)store.Options).Events.AllKnownEventTypes().Single(t => t.EventType == typeof(UsageApplied));
            await using var copy = await connection.BeginBinaryImportAsync("copy billing.mt_events (seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type) from stdin (format binary)", ct);
            copy.Timeout = TimeSpan.Zero;
            for (var report = 1; report <= reports; report++)
            {
                var data = store.Options.Serializer().ToCleanJson(
                    new UsageApplied(Shard, report, new ValueList<PlanTokens>([new(Company.Plan, TokenKind.Output, TokensPerRow * RowsPerLine)]), At));
                foreach (var (_, _, period) in _of)
                {
                    await copy.StartRowAsync(ct);
                    await copy.WriteAsync(++sequence, ct);
                    await copy.WriteAsync(Ids.NewGuid(At), ct);
                    await copy.WriteAsync(period, NpgsqlDbType.Varchar, ct);
                    await copy.WriteAsync((long)report + 1, ct);
                    await copy.WriteAsync(data, NpgsqlDbType.Jsonb, ct);
                    await copy.WriteAsync(type.EventTypeName, NpgsqlDbType.Varchar, ct);
                    await copy.WriteAsync(At, NpgsqlDbType.TimestampTz, ct);
                    await copy.WriteAsync(type.DotNetTypeName, NpgsqlDbType.Varchar, ct);
                }
            }
            await copy.CompleteAsync(ct);
            await using var session = store.LightweightSession();
            for (var report = 1; report <= reports; report++)
                session.Insert(new AppliedReport(
                    AppliedReport.IdOf(Shard, report), Shard, report, report, report, Hex(report == 1 ? MerkleTree.EmptyRoot : chains[report - 2]), new ValueList<string>([Hex(roots[report - 1])]),
                    Hex(chains[report - 1]), At, subscriptions.Count));
            await session.SaveChangesAsync(ct);
        }
        await Execute(connection, "update billing.mt_streams set version = $2 where id = any($1)", ct, _of.Select(o => o.PeriodId).ToArray(), (long)reports + 1);
        await Execute(connection, "select setval('billing.mt_events_sequence', $1)", ct, sequence);
        await Execute(connection, "insert into billing.usage_shard (shard, through_number, highest_number) values ($1, $2, $2)", ct, Shard, (long)reports);
    }

    /// <summary>UUIDv7s of the first day, ascending: a million of them in each minute.</summary>
    private static Guid Generation(long row)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(bytes, (At.ToUnixTimeMilliseconds() + row / 1_000) << 16 | 0x7000);
        BinaryPrimitives.WriteInt64BigEndian(bytes[8..], unchecked((long)0x8000_0000_0000_0000) | row);
        return new(bytes, bigEndian: true);
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static async Task Execute(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        foreach (var parameter in parameters) command.Parameters.Add(new() { Value = parameter });
        await command.ExecuteNonQueryAsync(ct);
    }
}
