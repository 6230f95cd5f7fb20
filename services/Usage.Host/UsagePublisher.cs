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
/// broker that is away, or a consumer that has not declared its queue yet, delays them and loses none. Thresholds go out beside them: customers
/// are warned also while nobody takes reports.
/// </summary>
public sealed class UsagePublisher(UsageStore store, IBusControl bus, LedgerWriters ledger, ILogger<UsagePublisher> log)
{
    private static readonly Outbox Reports = new(readMax: 200, unconfirmedMax: 50);
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(5);
    private readonly SemaphoreSlim[] _reports = Signals(ledger.Shards), _thresholds = Signals(ledger.Shards);

    public void Start() => ledger.ReportCut += Wake;

    /// <summary>Publishes the reports and thresholds of a shard that is held here, until stopped. Every shard by itself: one that is stuck does not hold up the others.</summary>
    public Task RunAsync(int shard, CancellationToken stopping)
    {
        // What the last holder left unpublished is published at once.
        Wake(shard);
        return Task.WhenAll(
            Task.Run(() => PublishAsync(shard, "reports", _reports[shard], PublishReportsAsync, stopping), CancellationToken.None),
            Task.Run(() => PublishAsync(shard, "thresholds", _thresholds[shard], PublishThresholdsAsync, stopping), CancellationToken.None));
    }

    /// <summary>Publishes what is left of a shard, once: the end of a shutdown.</summary>
    public Task PublishRestAsync(int shard, CancellationToken ct) =>
        Task.WhenAll(AllAsync(shard, PublishReportsAsync, ct), AllAsync(shard, PublishThresholdsAsync, ct));

    private static async Task AllAsync(int shard, Func<int, CancellationToken, Task<bool>> publishSome, CancellationToken ct)
    {
        while (await publishSome(shard, ct)) { }
    }

    private static SemaphoreSlim[] Signals(int shards) => [.. Enumerable.Range(0, shards).Select(_ => new SemaphoreSlim(1, 1))];

    private void Wake(int shard)
    {
        Wake(_reports[shard]);
        Wake(_thresholds[shard]);
    }

    private static void Wake(SemaphoreSlim signal)
    {
        try { signal.Release(); }
        catch (SemaphoreFullException) { /* It is awake already, and will look. */ }
    }

    private async Task PublishAsync(int shard, string what, SemaphoreSlim signal, Func<int, CancellationToken, Task<bool>> publishSome, CancellationToken stopping)
    {
        var backoff = Backoff.Start;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await signal.WaitAsync(LookAgain, stopping);
                await AllAsync(shard, publishSome, stopping);
                backoff = Backoff.Start;
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it is, what was not taken stays unmarked and is published again.
                log.LogWarning("shard {Shard}: {What} wait: {Cause}", shard, what, e is MessageReturnedException ? "no queue takes UsageRecorded yet" : e.Message);
                Wake(signal);
                try { await backoff.WaitAsync(stopping); }
                catch (OperationCanceledException) { return; }
                backoff = backoff.Next;
            }
        }
    }

    /// <summary>Publishes the next reports of a shard and marks those that were taken. True if there may be more.</summary>
    private Task<bool> PublishReportsAsync(int shard, CancellationToken ct) => Reports.PublishSomeAsync(
        reportsMax => ReadAsync(shard, reportsMax, ct),
        some => bus.PublishConfirmed([.. some.Select(r => (r, IdOf(r)))], mandatory: true, ct),
        taken => MarkAsync(shard, taken[^1].Number));

    private Task<bool> PublishThresholdsAsync(int shard, CancellationToken ct) => ThresholdOutbox.PublishSomeAsync(store, bus, shard, ct);

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
