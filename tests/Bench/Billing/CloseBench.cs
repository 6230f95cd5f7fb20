using System.Diagnostics;
using Billing.Host;
using Hosting;
using LocalServers;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Bench.Books;

/// <param name="PerSecond">invoices, by billing</param>
/// <param name="SqlPerSecond">invoices, by plain inserts of the rows that billing wrote</param>
public sealed record CloseFigures(double PerSecond, double SqlPerSecond);

/// <summary>A month of many subscriptions closed: each turns into its next period, the old one closes, its invoice becomes final, with the daemon at work beside. Then the same rows by plain SQL.</summary>
public sealed class CloseBench(BillingServers servers, BillingBenchSize size)
{
    private ServiceDatabase? _database;

    public async Task PrepareAsync(CancellationToken ct)
    {
        _database = await servers.DatabaseAsync("month", ct);
        await using var store = await BillingStore.OpenAsync(_database.ConnectionString("billing"));
        await servers.PhaseAsync("close, subscribing", () => Company.SubscribeAsync(store, "month", size.Subscriptions, 5_000, ct));
    }

    public async Task<CloseFigures> RunAsync(CancellationToken ct)
    {
        var connectionString = _database!.ConnectionString("billing");
        await using var usage = await QuietLedger.StartAsync(ct);
        long before;
        TimeSpan took;
        await using (var billing = await servers.BillingAsync(_database, usage.Urls.First(), ct))
        {
            before = await Scalar(connectionString, "select max(seq_id) from billing.mt_events", ct);
            var closer = billing.Services.GetRequiredService<PeriodCloser>();
            var begin = Stopwatch.GetTimestamp();
            await servers.PhaseAsync("close, measured", () => closer.RunAsync(BillingServers.Feb1.AddHours(2), ct));
            took = Stopwatch.GetElapsedTime(begin);
            await billing.StopAsync(ct);
        }
        var invoices = await Scalar(connectionString, "select count(*) from billing.mt_doc_storedinvoice", ct);
        if (invoices != size.Subscriptions) throw new InvalidOperationException($"{invoices} of {size.Subscriptions} invoices are final");
        var sql = await servers.PhaseAsync("close, by plain SQL", () => PlainInserts.RunAsync(connectionString, before, (int)invoices, new BillingOptions().PeriodBatchMax, ct));
        return new(invoices / took.TotalSeconds, invoices / sql.TotalSeconds);
    }

    private static async Task<long> Scalar(string connectionString, string sql, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }
}
