using Billing.Host;
using Cli.Demo;
using Contracts.Billing.V1;
using Contracts.PlanDesign.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using PlanDesign.Host;
using Usage.Host;
using Menu = Contracts.PlanDesign.V1.Menu;

namespace EndToEnd.Tests;

/// <summary>
/// A company that sells a model: the three services on a database and a virtual host of their own, with fixed ports. A service runs in
/// this process, or as one of its own that a test can kill.
/// </summary>
public sealed class Company : IAsyncDisposable
{
    public const string PlanDesign = "plan-design", Usage = "usage", Billing = "billing";
    public static readonly string[] Services = [PlanDesign, Usage, Billing];
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public const int ConversationsPerPeriod = 20;
    private const int LastSaidLines = 150;

    private readonly ServiceDatabase _database;
    private readonly Uri _broker;
    private readonly string _log = Path.Combine(Path.GetTempPath(), $"billing-company-{Environment.ProcessId}-{Path.GetRandomFileName()}.log");
    private readonly int[] _ports = Ports.Free(2 * Services.Length);
    private readonly Dictionary<string, string?> _settings;
    private readonly Dictionary<string, WebApplication> _here = [];
    private readonly Dictionary<string, ServiceProcess> _apart = [];
    private readonly List<ServiceProcess> _more = [];

    public Company(ServiceDatabase database, Uri broker, params (string Key, string Value)[] settings)
    {
        (_database, _broker, _settings) = (database, broker, settings.ToDictionary(s => s.Key, string? (s) => s.Value));
        Deployment = new(Address(PlanDesign), Address(Usage), Address(Billing));
    }

    public Deployment Deployment { get; }

    /// <summary>Business time, which a service that is started again is told.</summary>
    public DateTimeOffset Now { get; private set; } = Jan1;

    /// <summary>The menu that was published last; largest cap first.</summary>
    public Menu Menu { get; private set; } = new();

    /// <summary>A database with the tables of plan design and of billing; usage makes its own in no time.</summary>
    public static Task<ServiceDatabase> CreateDatabaseAsync() => Servers.CreateDatabaseAsync(Tables);

    /// <summary>All three services, ready; those named <paramref name="apart"/> as processes.</summary>
    public static async Task<Company> OpenAsync(string[] apart, params (string Key, string Value)[] settings) =>
        await OpenAsync(await CreateDatabaseAsync(), await Servers.CreateVirtualHostAsync(), apart, settings);

    /// <summary>The same on servers that the caller may kill.</summary>
    public static async Task<Company> OpenAsync(ServiceDatabase database, Uri broker, string[] apart, params (string Key, string Value)[] settings)
    {
        var company = new Company(database, broker, settings);
        foreach (var service in Services.Except(apart)) await company.StartAsync(service);
        foreach (var service in apart) await company.StartApartAsync(service);
        foreach (var service in Services) await company.ReadyAsync(service);
        return company;
    }

    private static async Task Tables(ServiceDatabase database)
    {
        await (await EventStore.OpenAsync(PlanDesignHost.Schema, PlanDesignHost.SchemaVersion, database.ConnectionString("plan_design"), PlanDesignHost.ConfigureStore)).DisposeAsync();
        await (await BillingStore.OpenAsync(database.ConnectionString("billing"))).DisposeAsync();
    }

    public Uri Address(string service) => new($"http://127.0.0.1:{GrpcPort(service)}");

    public async Task StartAsync(string service)
    {
        string[] args = ["--environment", "Test"];
        void Configure(WebApplicationBuilder builder) => builder.Configuration.AddInMemoryCollection(SettingsOf(service));
        var host = service switch
        {
            PlanDesign => PlanDesignHost.Build(args, Configure),
            Usage => UsageHost.Build(args, Configure),
            _ => BillingHost.Build(args, Configure),
        };
        _here.Add(service, host);
        await host.StartAsync();
    }

    /// <summary>Services of this process end, and start again; a clock of theirs begins where it first began.</summary>
    public async Task RestartAsync()
    {
        foreach (var (service, host) in _here.ToArray())
        {
            await host.StopAsync();
            await host.DisposeAsync();
            _here.Remove(service);
            await StartAsync(service);
        }
        foreach (var service in Services) await ReadyAsync(service);
    }

    public async Task StartApartAsync(string service)
    {
        var process = new ServiceProcess(Dll(service switch { PlanDesign => "PlanDesign.Host", Usage => "Usage.Host", _ => "Billing.Host" }), () => SettingsOf(service), Health(service));
        _apart.Add(service, process);
        await process.StartAsync();
    }

    /// <summary>More instances of usage beside the one that is there, each a process; all of them must have been told that they are several.</summary>
    public async Task<IReadOnlyList<(ServiceProcess Process, Uri Address)>> StartMoreUsageAsync(int count)
    {
        var ports = Ports.Free(2 * count);
        var more = new List<(ServiceProcess, Uri)>();
        for (var n = 0; n < count; n++)
        {
            var (http, grpc) = (ports[2 * n], ports[2 * n + 1]);
            var process = new ServiceProcess(Dll("Usage.Host"), () => new Dictionary<string, string?>(SettingsOf(Usage)) { ["Http:Port"] = $"{http}", ["Http:GrpcPort"] = $"{grpc}" }, new($"http://127.0.0.1:{http}"));
            _more.Add(process);
            await process.StartAsync();
            more.Add((process, new($"http://127.0.0.1:{grpc}")));
        }
        foreach (var (process, _) in more) await process.ReadyAsync();
        return more;
    }

    // The service was built beside this project, in the same configuration.
    public static string Dll(string project) =>
        Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", project, Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)), $"{project}.dll"));

    /// <summary>A connection as a runtime behind a name with several addresses has it: a call goes to one that answers.</summary>
    /// <param name="inOrder">to the first that answers</param>
    public static GrpcChannel ConnectToAny(IEnumerable<Uri> addresses, bool inOrder = false) => GrpcChannel.ForAddress("static:///usage", new()
    {
        Credentials = ChannelCredentials.Insecure,
        MaxReceiveMessageSize = 64 << 20,
        ServiceConfig = new() { LoadBalancingConfigs = { inOrder ? new PickFirstConfig() : new RoundRobinConfig() } },
        ServiceProvider = new ServiceCollection()
            .AddSingleton<ResolverFactory>(new StaticResolverFactory(_ => [.. addresses.Select(a => new BalancerAddress(a.Host, a.Port))])).BuildServiceProvider(),
    });

    public async Task<long> UsageScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_database.ConnectionString("usage"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    public ServiceProcess Apart(string service) => _apart[service];

    public Task ReadyAsync(string service) => _apart.TryGetValue(service, out var process) ? process.ReadyAsync() : Eventually.True(async () =>
    {
        using var http = new HttpClient { BaseAddress = Health(service) };
        using var response = await http.GetAsync(new Uri("/health/ready", UriKind.Relative));
        return response.IsSuccessStatusCode;
    }, $"{service} is ready", TimeSpan.FromMinutes(2));

    /// <summary>The billing command as a process, pointed at these services.</summary>
    public Task<(int Exit, string Output, string Error)> CommandAsync(string input, params string[] args) => DotnetProcess.RunAsync(
        typeof(Cli.CommandLine).Assembly.Location,
        new Dictionary<string, string?> { ["PLAN_DESIGN_ADDRESS"] = $"{Address(PlanDesign)}", ["USAGE_ADDRESS"] = $"{Address(Usage)}", ["BILLING_ADDRESS"] = $"{Address(Billing)}" },
        input, args);

    /// <summary>The same, still running, with its streams in the caller's hands.</summary>
    public System.Diagnostics.Process StartCommand(params string[] args) => DotnetProcess.Start(
        typeof(Cli.CommandLine).Assembly.Location,
        new Dictionary<string, string?> { ["PLAN_DESIGN_ADDRESS"] = $"{Address(PlanDesign)}", ["USAGE_ADDRESS"] = $"{Address(Usage)}", ["BILLING_ADDRESS"] = $"{Address(Billing)}" }, args);

    /// <summary>While this connection is open plan design can read its events and write none.</summary>
    public async Task<NpgsqlConnection> HoldMenusAsync()
    {
        var connection = new NpgsqlConnection(_database.ConnectionString("plan_design"));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("begin; lock table plan_design.mt_events in exclusive mode", connection);
        await command.ExecuteNonQueryAsync();
        return connection;
    }

    /// <summary>kill -9, and a new start on the same ports.</summary>
    public async Task KillAndRestartAsync(string service)
    {
        await _apart[service].KillAsync();
        await _apart[service].StartAsync();
        await _apart[service].ReadyAsync();
    }

    /// <summary>Business time moves on everywhere, as soon as everybody answers.</summary>
    public async Task AdvanceAsync(DateTimeOffset to)
    {
        Now = to;
        await Eventually.True(async () => { await Deployment.AdvanceAsync(to, CancellationToken.None); return true; }, $"it is {to:O} everywhere", TimeSpan.FromMinutes(2));
    }

    /// <summary>Solves, publishes, and waits until billing sells it. At most three plans, caps of at most 600 tokens.</summary>
    /// <param name="terms">what is sold with the plans</param>
    public async Task PublishMenuAsync(SaleTerms? terms = null)
    {
        var draft = await Deployment.PlanDesign.DraftMenuAsync(Draft("Spring", terms), Key("draft"));
        Menu = await Deployment.PlanDesign.PublishMenuAsync(new() { MenuId = draft.MenuId, Actor = "analyst" }, Key("publish"));
        await Eventually.True(async () => { await Deployment.Billing.GetMenuTermsAsync(new() { MenuId = Menu.MenuId }); return true; }, "billing has received the menu", TimeSpan.FromMinutes(2));
    }

    /// <summary>What is asked for when a menu is drafted here.</summary>
    /// <param name="terms">what is sold with the plans</param>
    public static DraftMenuRequest Draft(string name, SaleTerms? terms = null) => new()
    {
        Name = name, PlansMax = 3, Currency = "USD", ConversationsPerPeriod = ConversationsPerPeriod, Terms = terms,
        Market = new()
        {
            Urgency = new() { LogNormal = new() { Mu = -2.5, Sigma = 1.5 }, TypeCount = 60 },
            AnswerTime = new() { Empirical = new() { Tokens = { Enumerable.Range(1, 40).Select(n => 15 * n) } } },
            TokensPerSecond = 30, ValuePerAnswer = 2, ServingCostPerToken = 20e-6,
        },
    };

    /// <summary>Customers take the plans in turn. Returns when usage knows every subscription.</summary>
    /// <param name="first">how many came before</param>
    public async Task<IReadOnlyList<Subscription>> SubscribeAsync(int customers, int first = 0)
    {
        var subscriptions = new List<Subscription>();
        for (var n = first; n < first + customers; n++)
        {
            var customer = await Deployment.Billing.CreateCustomerAsync(new() { CustomerId = Ids.Derive(Ids.Customer, Jan1, $"{n}"), Currency = "USD", Reference = $"customer-{n}" }, Key($"customer-{n}"));
            subscriptions.Add(await Deployment.Billing.SubscribeAsync(
                new() { SubscriptionId = Ids.Derive(Ids.Subscription, Jan1, $"{n}"), CustomerId = customer.CustomerId, MenuId = Menu.MenuId, PlanId = Menu.Plans[n % Menu.Plans.Count].PlanId }, Key($"subscription-{n}")));
        }
        foreach (var subscription in subscriptions)
            await Eventually.True(async () => (await Deployment.Ledger.GetBalanceAsync(new() { SubscriptionId = subscription.SubscriptionId })).PlanId == subscription.PlanId, "usage knows the subscription");
        return subscriptions;
    }

    public long CapOf(string subscriptionId, IEnumerable<Subscription> subscriptions)
    {
        var plan = subscriptions.Single(s => s.SubscriptionId == subscriptionId).PlanId;
        return Menu.Plans.Single(p => p.PlanId == plan).ConversationCapTokens;
    }

    public async Task<IReadOnlyList<Invoice>> FinalInvoicesAsync() =>
        [.. (await Deployment.Billing.ListInvoicesAsync(new() { Status = InvoiceStatus.Finalized, PageSize = 1_000 })).Invoices.OrderBy(i => i.Number, StringComparer.Ordinal)];

    public static Metadata Key(string key) => new() { { "idempotency-key", key } };

    /// <summary>The end of what the services have logged, and what usage tells its operators now.</summary>
    public async Task<string> LastSaidAsync()
    {
        var said = File.ReadLines(_log).TakeLast(LastSaidLines).ToList();
        using var http = new HttpClient();
        foreach (var health in _apart.Where(a => a.Key == Usage).Select(a => a.Value).Concat(_more).Select(p => p.Http))
        {
            try { said.AddRange((await http.GetStringAsync(new Uri(health, "/metrics"))).Split('\n').Where(l => l.StartsWith("usage_", StringComparison.Ordinal))); }
            catch (HttpRequestException e) { said.Add($"{health}: {e.Message}"); }
        }
        return string.Join('\n', said);
    }

    private int HttpPort(string service) => _ports[2 * Array.IndexOf(Services, service)];
    private int GrpcPort(string service) => _ports[2 * Array.IndexOf(Services, service) + 1];
    private Uri Health(string service) => new($"http://127.0.0.1:{HttpPort(service)}");

    private Dictionary<string, string?> SettingsOf(string service) => new(_settings.Concat(new Dictionary<string, string?>
    {
        ["Http:Address"] = "127.0.0.1", ["Http:Port"] = $"{HttpPort(service)}", ["Http:GrpcPort"] = $"{GrpcPort(service)}",
        ["RabbitMq:Uri"] = _broker.ToString(), ["Logging:File"] = _log,
        ["Clock:Mode"] = "Simulated", ["Clock:Start"] = $"{Now:yyyy-MM-ddTHH:mm:ssZ}",
        ["PlanDesign:Postgres"] = _database.ConnectionString("plan_design"),
        ["PlanDesign:UsageAddress"] = Address(Usage).ToString(), ["PlanDesign:BillingAddress"] = Address(Billing).ToString(),
        ["Usage:Postgres"] = _database.ConnectionString("usage"), ["Usage:BillingAddress"] = Address(Billing).ToString(),
        ["Billing:Postgres"] = _database.ConnectionString("billing"), ["Billing:UsageAddress"] = Address(Usage).ToString(),
        ["Billing:GapPollSeconds"] = "0.5", ["Billing:DuePollSeconds"] = "0.2",
    }.Where(s => !_settings.ContainsKey(s.Key))));

    public async ValueTask DisposeAsync()
    {
        await Deployment.DisposeAsync();
        foreach (var process in _apart.Values.Concat(_more)) await process.DisposeAsync();
        await Task.WhenAll(_here.Values.Select(async host =>
        {
            await host.StopAsync();
            await host.DisposeAsync();
        }));
        await Servers.DropAsync(_database);
        File.Delete(_log);
    }
}
