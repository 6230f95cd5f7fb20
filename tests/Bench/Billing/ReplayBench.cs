using System.Diagnostics;
using Bench.Metering;
using Billing.Host;
using Contracts.Billing.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using JasperFx.Events.Daemon;
using LocalServers;
using Marten;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Host;
using Usage.Host.Ledger;
using Usage.Host.Store;

namespace Bench.Books;

/// <param name="Replay">reconciling every raw event with every stored one, and replaying every invoice</param>
/// <param name="Scan">reading the same rows without folding them</param>
/// <param name="MemoryGrowth">physical memory of billing in the last quarter of the replay over that in the first half</param>
public sealed record ReplayFigures(TimeSpan Replay, TimeSpan Scan, TimeSpan Rebuild, TimeSpan MartenRebuild, double MemoryGrowth, long RawEvents, long StoredEvents);

/// <summary>
/// Books of a month that is closed, ten raw events to each stored one: every invoice is replayed and every raw event reconciled with usage as a process of its own, as an auditor would.
/// Beside it, all columns of the same rows are read through Npgsql in this process. Then billing stops, and every view is made again from those events, by us and by Marten.
/// </summary>
public sealed class ReplayBench(BillingServers servers, BillingBenchSize size)
{
    private const long WarmedUpRows = 1_000_000;
    private static readonly global::Billing.Attribution Rebuilding = new("bench", "rebuilds are measured");
    private ServiceDatabase? _database;
    private RecordedMonth? _month;

    private string Billing => _database!.ConnectionString("billing");

    private string Usage => _database!.ConnectionString("usage");

    public async Task PrepareAsync(CancellationToken ct)
    {
        _database = await servers.DatabaseAsync("books", ct);
        await using (var made = new UsageStore(Options.Create(new UsageOptions { Postgres = Usage })))
        {
            await made.MigrateAsync(ct);
            await new Partitions(made).EnsureAsync([Partitions.DayOf(BillingServers.Jan1)], ct);
        }
        await using var store = await BillingStore.OpenAsync(Billing);
        var subscriptions = await Company.SubscribeAsync(store, "books", size.Readers, 0, ct);
        _month = await servers.PhaseAsync("books, written", () => new RecordedMonth(Billing, Usage, subscriptions, size.Reports).WriteAsync(ct));
    }

    public async Task<ReplayFigures> RunAsync(CancellationToken ct)
    {
        var port = Ports.Free(1)[0];
        // Usage first: billing that asked before it listened would ask again only after a pause, and the books are closed at once.
        await using var meter = await servers.PhaseAsync("books, usage starts", () => UsageAsync(UsageSettings(Usage, port), port, ct));
        await using var books = await servers.PhaseAsync("books, billing starts", () => servers.BillingAsync(_database!, $"http://127.0.0.1:{port}", ct));
        await servers.PhaseAsync("books, closed", () => books.Services.GetRequiredService<PeriodCloser>().RunAsync(BillingServers.Feb1.AddHours(2), ct));
        await servers.PhaseAsync("books, caught up", () => CaughtUpAsync(Billing, ct));
        using var channel = GrpcChannel.ForAddress(books.Endpoints().Grpc, new() { MaxReceiveMessageSize = 64 << 20 });
        // Once before it is measured, where that takes little: code is compiled while it runs first. Of ten million rows that is nothing.
        if (_month!.RawEvents <= WarmedUpRows) await servers.PhaseAsync("replay, warming up", () => AuditAsync(new(channel), ct));
        var (replay, growth) = await servers.PhaseAsync("replay", () => Memory.WatchAsync(() => AuditAsync(new(channel), ct)));
        var stored = await ScanAsync(Billing, "select * from billing.mt_events", ct);
        var raw = await ScanAsync(Usage, "select * from usage.token_event", ct);
        if (raw.Rows != _month.RawEvents) throw new InvalidOperationException($"{raw.Rows} of {_month.RawEvents} raw events are there");
        // A rebuild wants the store to itself.
        await books.StopAsync(ct);
        await books.DisposeAsync();
        var (rebuild, martens) = await servers.PhaseAsync("rebuilds", () => RebuildAsync(Billing, ct));
        // Each row once, though both halves of the audit read the stored ones.
        return new(replay, raw.Took + stored.Took, rebuild, martens, growth, raw.Rows, stored.Rows);
    }

    /// <summary>Until the daemon has nothing left to do: an auditor comes when the books are quiet.</summary>
    private static async Task CaughtUpAsync(string billing, CancellationToken ct)
    {
        // Marten keeps notes of its own in that table too: those stand still.
        const string UpToDate = "select count(*) from billing.mt_event_progression where name like '%:All' and last_seq_id >= (select max(seq_id) from billing.mt_events)";
        await using var source = NpgsqlDataSource.Create(billing);
        while (true)
        {
            await using var command = source.CreateCommand(UpToDate);
            if (await command.ExecuteScalarAsync(ct) is 5L) return;
            await Task.Delay(100, ct);
        }
    }

    private async Task AuditAsync(Audit.AuditClient audit, CancellationToken ct)
    {
        long invoices = 0;
        using (var replayed = audit.Replay(new(), cancellationToken: ct))
            await foreach (var invoice in replayed.ResponseStream.ReadAllAsync(ct))
            {
                invoices++;
                if (!invoice.Identical) throw new InvalidOperationException($"{invoice.Number}: {invoice.Difference}");
            }
        if (invoices != size.Readers) throw new InvalidOperationException($"{invoices} of {size.Readers} invoices were replayed");
        using var reconciled = audit.Reconcile(new(), cancellationToken: ct);
        await foreach (var part in reconciled.ResponseStream.ReadAllAsync(ct))
            if (part.Difference is { } difference) throw new InvalidOperationException(difference.Detail);
    }

    private static async Task<(TimeSpan Ours, TimeSpan Martens)> RebuildAsync(string billing, CancellationToken ct)
    {
        await using var store = await BillingStore.OpenAsync(billing);
        var before = await RowsAsync(billing, ct);
        using var daemon = await store.BuildProjectionDaemonAsync();
        // Each once before it is measured, for code is compiled while it runs first; and both on a store that is open.
        await ViewRebuild.RunAsync(store, billing, Rebuilding, ct);
        var begin = Stopwatch.GetTimestamp();
        await ViewRebuild.RunAsync(store, billing, Rebuilding, ct);
        var ours = Stopwatch.GetElapsedTime(begin);
        await SameAsync("our rebuild");
        await MartensAsync(daemon, ct);
        begin = Stopwatch.GetTimestamp();
        await MartensAsync(daemon, ct);
        var martens = Stopwatch.GetElapsedTime(begin);
        await SameAsync("Marten's rebuild");
        return (ours, martens);

        async Task SameAsync(string made)
        {
            foreach (var (table, rows) in await RowsAsync(billing, ct))
                if (rows != before[table]) throw new InvalidOperationException($"{table} has {rows} after {made}, and had {before[table]}");
        }
    }

    /// <summary>All that <see cref="ViewRebuild"/> makes.</summary>
    private static async Task MartensAsync(IProjectionDaemon daemon, CancellationToken ct)
    {
        await daemon.RebuildProjectionAsync<CustomerView>(ct);
        await daemon.RebuildProjectionAsync<SubscriptionView>(ct);
        await daemon.RebuildProjectionAsync<WebhookEndpointView>(ct);
        await daemon.RebuildProjectionAsync<InvoiceStandingView>(ct);
        await daemon.RebuildProjectionAsync<Billing.Periods.PeriodView>(ct);
        await daemon.RebuildProjectionAsync<PeriodWork>(ct);
    }

    /// <summary>How many rows the tables of the views and of the work lists have, and a digest of them: both rebuilds must end with what was there.</summary>
    private static async Task<Dictionary<string, string>> RowsAsync(string billing, CancellationToken ct)
    {
        var found = new Dictionary<string, string>();
        await using var source = NpgsqlDataSource.Create(billing);
        foreach (var table in new[] { nameof(CustomerView), nameof(SubscriptionView), nameof(WebhookEndpointView), nameof(InvoiceStandingView), "PeriodView", nameof(PeriodToClose), nameof(PeriodToInvoice) })
        {
            await using var command = source.CreateCommand($"select concat(count(*), ' rows, ', md5(string_agg(md5(concat_ws(' ', id, data)), '' order by id))) from billing.mt_doc_{table}");
            command.CommandTimeout = 0;
            found[table] = (string)(await command.ExecuteScalarAsync(ct))!;
        }
        return found;
    }

    private static async Task<(TimeSpan Took, long Rows)> ScanAsync(string connectionString, string sql, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        var begin = Stopwatch.GetTimestamp();
        await using var reader = await command.ExecuteReaderAsync(ct);
        long rows = 0;
        while (await reader.ReadAsync(ct))
        {
            for (var i = 0; i < reader.FieldCount; i++)
                if (!reader.IsDBNull(i)) reader.GetValue(i);
            rows++;
        }
        return (Stopwatch.GetElapsedTime(begin), rows);
    }

    private Dictionary<string, string> UsageSettings(string usage, int port) => new()
    {
        ["Usage:Postgres"] = usage, ["Usage:BillingAddress"] = "http://127.0.0.1:1", ["RabbitMq:Uri"] = servers.Broker.ToString(), ["Http:Address"] = "127.0.0.1",
        ["Http:Port"] = $"{Ports.Free(1)[0]}", ["Http:GrpcPort"] = $"{port}", ["Logging:Minimum"] = "Error", ["Clock:Mode"] = "Simulated", ["Clock:Start"] = "2026-01-01T00:00:00Z",
        ["DOTNET_ENVIRONMENT"] = "Bench", ["ASPNETCORE_ENVIRONMENT"] = "Bench",
    };

    private static async Task<RunningUsage> UsageAsync(Dictionary<string, string> settings, int port, CancellationToken ct)
    {
        var service = new RunningUsage(ServiceProcess.Start(typeof(UsageHost).Assembly.Location, [], settings));
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{port}");
        var health = new HealthClient(channel);
        await BenchServers.UntilAsync(() => health.IsServingAsync(ct), "usage serves", ct);
        return service;
    }

    private sealed class RunningUsage(ServiceProcess process) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            process.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
