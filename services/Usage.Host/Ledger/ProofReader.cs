using Contracts.Usage.V1;
using Google.Protobuf;
using Npgsql;
using Usage.Host.Store;

namespace Usage.Host.Ledger;

/// <summary>
/// Rows with what proves that they were recorded. Leaves of a batch come from its rows and, where partitions were detached, from those that were kept of
/// them; the row itself comes from the detached table, while it is there.
/// </summary>
public sealed class ProofReader(QueryConnections queries, LedgerWriters ledger)
{
    /// <summary>Rows of batches that no report covers yet are left out: they were committed since the caller asked for the last one.</summary>
    /// <param name="sequences">none for every row of the generation, its corrections among them</param>
    /// <param name="caller">who asks, by the name of his key</param>
    /// <exception cref="RefusedException">event_unknown; calls_too_many: he, or this instance, asks as much as may be asked at once</exception>
    public async Task<IReadOnlyList<EventProof>> ReadAsync(Guid generation, IReadOnlyCollection<long> sequences, string caller, CancellationToken ct)
    {
        await using var query = await queries.OpenAsync(caller, ct);
        var connection = query.Connection;
        var rows = await RowsAsync(connection, generation, ct);
        if (rows.Count > 0)
        {
            var reported = (long)(await UsageStore.Scalar(connection, "select reported_batch from usage.shard where shard = $1", ct, ledger.ShardOf(Ids.Parse(Ids.Subscription, rows[0].SubscriptionId))))!;
            rows = [.. rows.Where(r => r.Batch <= reported)];
        }
        if (sequences.Count > 0) rows = [.. rows.Where(r => sequences.Contains(r.Sequence) && r.Kind != RowKind.Correction)];
        if (rows.Count == 0)
            throw new Refusal(Reasons.EventUnknown, $"{Ids.Format(Ids.Generation, generation)} has no such row: it was never recorded, or its partition was detached and archived elsewhere").AsException();
        var proofs = new List<EventProof>();
        foreach (var batch in rows.GroupBy(r => r.Batch))
        {
            var shard = ledger.ShardOf(Ids.Parse(Ids.Subscription, batch.First().SubscriptionId));
            var leaves = await LeavesAsync(connection, shard, batch.Key, ct);
            var number = (long)(await UsageStore.Scalar(connection, "select number from usage.report where shard = $1 and $2 between first_batch and last_batch", ct, shard, batch.Key))!;
            var report = LedgerRows.Report((await ReportReader.ReadAsync(connection, shard, false, number, number, 1, ct)).Single());
            foreach (var row in batch)
            {
                var proof = new EventProof { Row = row, Shard = shard, RowCount = leaves.Count, Report = report };
                proof.Path.AddRange(MerkleTree.InclusionProof(leaves, row.Ordinal).Select(h => ByteString.CopyFrom(h)));
                proofs.Add(proof);
            }
        }
        return proofs;
    }

    private static async Task<List<EventRow>> RowsAsync(NpgsqlConnection connection, Guid generation, CancellationToken ct)
    {
        var detached = await Partitions.DetachedTableAsync(connection, generation, ct) is { } table ? $"union all {LedgerRows.SelectDetached(table)} where generation = $1" : "";
        await using var command = new NpgsqlCommand($"{LedgerRows.Select} where generation = $1 {detached} order by batch, ordinal", connection) { Parameters = { new() { Value = generation } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var rows = new List<EventRow>();
        while (await reader.ReadAsync(ct)) rows.Add(LedgerRows.Event(reader));
        return rows;
    }

    private static async Task<List<byte[]>> LeavesAsync(NpgsqlConnection connection, int shard, long batch, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            select ordinal, leaf from usage.ledger_row where shard = $1 and batch = $2
            union select ordinal, leaf from usage.kept_leaf where shard = $1 and batch = $2 order by ordinal
            """, connection) { Parameters = { new() { Value = shard }, new() { Value = batch } } };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var leaves = new List<byte[]>();
        while (await reader.ReadAsync(ct)) leaves.Add((byte[])reader[1]);
        return leaves;
    }
}
