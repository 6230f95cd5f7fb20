using System.Collections.Concurrent;
using Billing.Host;
using Contracts.Billing.V1;
using Contracts.Clock.V1;
using Contracts.Messages;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Hosting;
using LocalServers;
using Marten;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Billing.Host.Tests;

/// <summary>Billing as it runs, on a database and a virtual host of its own, with usage's ledger and usage's queue on the other side.</summary>
public sealed class BillingApp : IAsyncDisposable
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset Feb1 = Jan1.AddMonths(1), Mar1 = Jan1.AddMonths(2), Apr1 = Jan1.AddMonths(3);
    public static readonly string Menu = Ids.Derive(Ids.Menu, Jan1, "menu"), Small = Ids.Derive(Ids.Plan, Jan1, "small"), Metered = Ids.Derive(Ids.Plan, Jan1, "metered");

    private readonly ConcurrentQueue<SubscriptionChanged> _subscriptions = new();
    private readonly ConcurrentQueue<InvoiceFinalized> _invoices = new();
    private readonly ConcurrentQueue<object> _news = new();
    private WebApplication? _host;
    private GrpcChannel? _channel;
    private IBusControl? _bus;
    private int _connections = 1;

    public required ServiceDatabase Database { get; init; }
    public required Uri Broker { get; init; }
    public required UsageLedgerServer Usage { get; init; }

    /// <summary>False for one of several on the same ledger: another one ends it.</summary>
    public bool OwnsUsage { get; init; } = true;
    public Dictionary<string, string?> Settings { get; } = [];

    public IReadOnlyCollection<SubscriptionChanged> SubscriptionsHeard => _subscriptions;
    public IReadOnlyCollection<InvoiceFinalized> InvoicesHeard => _invoices;
    /// <summary>What became of invoices after they were final.</summary>
    public IReadOnlyCollection<object> InvoiceNewsHeard => _news;
    public T Get<T>() where T : notnull => _host!.Services.GetRequiredService<T>();
    public Contracts.Billing.V1.Billing.BillingClient Billing => new(Calls);
    public Contracts.Billing.V1.Audit.AuditClient Audit => new(Calls);
    public Contracts.Billing.V1.Invoicing.InvoicingClient Invoicing => new(Calls);
    public Contracts.Billing.V1.Ledger.LedgerClient Ledger => new(Calls);
    public Contracts.Billing.V1.Statements.StatementsClient Statements => new(Calls);
    public Contracts.Billing.V1.Operations.OperationsClient Operations => new(Calls);
    public Contracts.Billing.V1.Webhooks.WebhooksClient Webhooks => new(Calls);
    public Contracts.Billing.V1.Agreements.AgreementsClient Agreements => new(Calls);
    public Contracts.Clock.V1.BusinessClock.BusinessClockClient Clock => new(Calls);
    private CallInvoker Calls => _channel!.Intercept(new SaysWhy());
    public IDocumentStore Store => Get<IDocumentStore>();
    public Uri Http => _host!.Endpoints().Http;

    public static async Task Tables(ServiceDatabase database) => await (await BillingStore.OpenAsync(database.ConnectionString("billing"))).DisposeAsync();

    public static async Task<BillingApp> PrepareAsync() => new()
    {
        Database = await Servers.CreateDatabaseAsync(Tables), Broker = await Servers.CreateVirtualHostAsync(), Usage = await UsageLedgerServer.StartAsync(),
    };

    /// <summary>Started, ready, and with a menu received.</summary>
    /// <param name="connections">In its pool: more than one only where calls wait for each other in the database on purpose.</param>
    public static async Task<BillingApp> StartAsync(Dictionary<string, string?>? settings = null, int connections = 1)
    {
        var app = await PrepareAsync();
        app._connections = connections;
        foreach (var (key, value) in settings ?? []) app.Settings[key] = value;
        await app.ListenAsync();
        await app.RunAsync();
        await app.PublishMenu();
        return app;
    }

    public async Task ListenAsync()
    {
        _bus = MassTransit.Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(Broker);
            rabbit.ReceiveEndpoint("usage-subscription-changed", e => e.Handler<SubscriptionChanged>(c => { _subscriptions.Enqueue(c.Message); return Task.CompletedTask; }));
            rabbit.ReceiveEndpoint("books-invoice-finalized", e => e.Handler<InvoiceFinalized>(c => { _invoices.Enqueue(c.Message); return Task.CompletedTask; }));
            rabbit.ReceiveEndpoint("books-invoice-news", e =>
            {
                e.Handler<InvoiceVoided>(c => { _news.Enqueue(c.Message); return Task.CompletedTask; });
                e.Handler<InvoicePaymentRecorded>(c => { _news.Enqueue(c.Message); return Task.CompletedTask; });
                e.Handler<InvoiceCollectionDue>(c => { _news.Enqueue(c.Message); return Task.CompletedTask; });
                e.Handler<InvoiceDunningExhausted>(c => { _news.Enqueue(c.Message); return Task.CompletedTask; });
                e.Handler<InvoiceFellOverdue>(c => { _news.Enqueue(c.Message); return Task.CompletedTask; });
            });
        });
        await _bus.StartAsync();
    }

    public async Task RunAsync(bool untilReady = true)
    {
        _host = Build(Settings);
        await _host.StartAsync();
        _channel = GrpcChannel.ForAddress(_host.Endpoints().Grpc);
        if (untilReady) await Eventually.True(() => Get<Readiness>().IsReady, "billing is ready");
    }

    /// <summary>Another channel to it, with a key.</summary>
    public GrpcChannel Connect(string? key) => OutgoingCalls.Open(_host!.Endpoints().Grpc, key, null, 64 << 20);

    /// <summary>From now on the clients here send this key.</summary>
    public void Show(string key)
    {
        _channel?.Dispose();
        _channel = Connect(key);
    }

    /// <summary>Methods that no key opens, because nobody said which may.</summary>
    public IEnumerable<string> WithoutScope() => _host!.WithoutScope();

    /// <summary>Of a pool of one: a call that waits for a second connection while it holds the first fails in any test, and not only when a crowd makes it.</summary>
    private string Connections => new NpgsqlConnectionStringBuilder(Database.ConnectionString("billing")) { MaxPoolSize = _connections }.ConnectionString;

    /// <summary>Another instance on the same database and broker.</summary>
    public WebApplication Build(Dictionary<string, string?> settings) => BillingHost.Build([], b =>
    {
        b.Environment.EnvironmentName = "Test";
        b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["RabbitMq:Uri"] = Broker.ToString(), ["Logging:Minimum"] = "Fatal",
            ["Clock:Mode"] = "Simulated", ["Clock:Start"] = "2026-01-01T00:00:00Z", ["Billing:Postgres"] = Connections,
            ["Billing:AuditPostgres"] = Database.ConnectionString("billing_auditor"), ["Billing:UsageAddress"] = Usage.Address, ["Billing:GapPollSeconds"] = "0.2", ["Billing:DuePollSeconds"] = "0.1",
        });
        b.Configuration.AddInMemoryCollection(settings);
    });

    public async Task StopAsync()
    {
        if (_host is null) return;
        await _host.StopAsync();
        await _host.DisposeAsync();
        _host = null;
    }

    /// <summary>A plan with a hard cap at 20.00, and one for 5.00 that bills what is beyond 1,000 generated tokens.</summary>
    public async Task PublishMenu()
    {
        await Publish(TheMenu);
        await Eventually.True(async () => { await Billing.GetMenuTermsAsync(new() { MenuId = Menu }); return true; }, "the menu was received");
    }

    public static MenuPublished TheMenu => new(
        Menu, "Spring", "USD", 20,
        [
            new(Small, "Small", 20_000_000, [new("conversation", 1_000, ["output", "reasoning"], "hard"), new("billing_period", 20_000, ["output", "reasoning"], "hard")], []),
            new(Metered, "Metered", 5_000_000, [new("billing_period", 1_000, ["output", "reasoning"], "billed")], [new("output", "12.5"), new("reasoning", "25")]),
        ],
        [], Jan1);

    /// <summary>At least once, as its sender would: a publish that was lost with a connection is made again under the same id.</summary>
    public async Task Publish<T>(T message) where T : class
    {
        var id = Guid.NewGuid();
        await Eventually.True(async () => { await _bus!.PublishConfirmed(message, id, mandatory: true, CancellationToken.None); return true; }, $"the broker takes {typeof(T).Name}", TimeSpan.FromMinutes(2));
    }

    /// <summary>Past every publisher, as whoever reaches the broker could.</summary>
    public async Task Send<T>(string queue, T message) where T : class => await (await _bus!.GetSendEndpoint(new Uri($"queue:{queue}"))).Send(message);

    public async Task<Subscription> Subscribe(string plan, string name = "acme")
    {
        var customer = await Billing.CreateCustomerAsync(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, name), Currency = "USD", Reference = name });
        return await Billing.SubscribeAsync(new() { SubscriptionId = Ids.Derive(Ids.Subscription, Jan1, name), CustomerId = customer.CustomerId, MenuId = Menu, PlanId = plan });
    }

    public static RecordedLine Line(Subscription s, string kind, long tokens, bool next = false)
    {
        var period = next ? s.NextPeriod : s.CurrentPeriod;
        return new(s.SubscriptionId, period.PeriodId, period.End.ToDateTimeOffset(), s.PlanId, kind, tokens);
    }

    public async Task Advance(DateTimeOffset to) => await Clock.AdvanceAsync(new() { To = to.ToTimestamp() });

    /// <summary>Until every report that usage's side has recorded in a shard is in the books.</summary>
    public Task Applied(int shard, long through) => Eventually.True(
        async () => (await Billing.GetAppliedReportsAsync(new())).Shards.Any(s => s.Shard == shard && s.ThroughNumber >= through), $"reports of shard {shard} up to {through} are applied");

    public async Task<Invoice> InvoiceOf(string periodId) => await Billing.GetInvoiceAsync(new() { PeriodId = periodId });

    public async Task<List<Invoice>> FinalInvoices() =>
        [.. (await Billing.ListInvoicesAsync(new() { Status = InvoiceStatus.Finalized, PageSize = 1_000 })).Invoices];

    public async Task<List<ReplayedInvoice>> Replay() => await Audit.Replay(new()).ResponseStream.ReadAllAsync().ToListAsync();

    public async Task<List<SealFinding>> VerifySeals() => await Audit.VerifySeals(new()).ResponseStream.ReadAllAsync().ToListAsync();

    /// <summary>Until projections, publishers and the sealer have seen every event.</summary>
    public async Task CaughtUp() => await Eventually.True(async () =>
    {
        var high = await Sql<long>("select coalesce(max(seq_id), 0) from billing.mt_events");
        return await Sql<long>("select count(*) from billing.mt_event_progression where name like '%:All' and last_seq_id >= " + high) == 5; // Marten keeps notes of its own there too
    }, "the daemon has caught up");

    /// <summary>Past every rule of the service, as somebody with the database in their hands could.</summary>
    public async Task<T> Sql<T>(string sql)
    {
        await using var connection = new NpgsqlConnection(Database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync() ?? default(T)!);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _channel?.Dispose();
        if (_bus is not null) await _bus.StopAsync();
        if (OwnsUsage) await Usage.DisposeAsync();
        await Servers.DropAsync(Database);
    }
}
