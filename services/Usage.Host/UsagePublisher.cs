using System.Globalization;
using Contracts.Messages;
using MassTransit;
using Npgsql;
using Usage.Host.Ledger;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host;

/// <summary>
/// Publishes reports, in order for each shard, at least once, each confirmed by the broker and taken by a queue before it is marked. A
/// broker that is away, or a consumer that has not declared its queue yet, delays them and loses none.
/// </summary>
public sealed class UsagePublisher(UsageStore store, IBusControl bus, LedgerWriters ledger, ILogger<UsagePublisher> log)
{
    private static readonly Outbox Reports = new(readMax: 200, unconfirmedMax: 50);
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(5);
    private readonly SemaphoreSlim[] _signals = [.. Enumerable.Range(0, ledger.Shards).Select(_ => new SemaphoreSlim(1, 1))];

    public void Start() => ledger.ReportCut += Wake;

    /// <summary>Publishes the reports of a shard that is held here, until stopped. Every shard by itself: one that is stuck does not hold up the others.</summary>
    public Task RunAsync(int shard, CancellationToken stopping)
    {
        // What the last holder left unpublished is published at once.
        Wake(shard);
        return Task.Run(() => PublishShardAsync(shard, stopping), CancellationToken.None);
    }

    /// <summary>Publishes what is left of a shard, once: the end of a shutdown.</summary>
    public async Task PublishRestAsync(int shard, CancellationToken ct)
    {
        while (await PublishSomeAsync(shard, ct)) { }
    }

    private void Wake(int shard)
    {
        try { _signals[shard].Release(); }
        catch (SemaphoreFullException) { /* It is awake already, and will look. */ }
    }

    private async Task PublishShardAsync(int shard, CancellationToken stopping)
    {
        var backoff = Backoff.Start;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await _signals[shard].WaitAsync(LookAgain, stopping);
                while (await PublishSomeAsync(shard, stopping)) { }
                backoff = Backoff.Start;
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it is, the report stays unmarked and is published again.
                log.LogWarning("shard {Shard}: reports wait: {Cause}", shard, e is MessageReturnedException ? "no queue takes UsageRecorded yet" : e.Message);
                Wake(shard);
                try { await backoff.WaitAsync(stopping); }
                catch (OperationCanceledException) { return; }
                backoff = backoff.Next;
            }
        }
    }

    /// <summary>Publishes the next reports of a shard and marks those that were taken. True if there may be more.</summary>
    private async Task<bool> PublishSomeAsync(int shard, CancellationToken ct)
    {
        var more = await Reports.PublishSomeAsync(
            reportsMax => ReadAsync(shard, reportsMax, ct),
            some => bus.PublishConfirmed([.. some.Select(r => (r, IdOf(r)))], mandatory: true, ct),
            taken => MarkAsync(shard, taken[^1].Number));
        return await ThresholdOutbox.PublishSomeAsync(store, bus, shard, ct) || more;
    }

    private static Guid IdOf(UsageRecorded report) => Ids.DeriveGuid(
        report.RecordedAt, "usage_recorded", report.Shard.ToString(CultureInfo.InvariantCulture), report.Number.ToString(CultureInfo.InvariantCulture));

    private async Task<List<UsageRecorded>> ReadAsync(int shard, int reportsMax, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        return await ReportReader.ReadAsync(connection, shard, unpublishedOnly: true, 1, long.MaxValue, reportsMax, ct);
    }

    private async Task MarkAsync(int shard, long through)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("update usage.report set published = true where shard = $1 and number <= $2 and not published", connection);
        command.Parameters.Add(new NpgsqlParameter { Value = shard });
        command.Parameters.Add(new NpgsqlParameter { Value = through });
        await command.ExecuteNonQueryAsync();
    }
}
