using System.Collections.Concurrent;
using System.Reflection;
using System.Security.Cryptography;
using LocalServers;

namespace Testing;

/// <summary>
/// The PostgreSQL and RabbitMQ that tests use: those that the environment names, else started for this process on first use (containers when
/// Docker answers and the images are there, else installed binaries). A missing server fails, with the command that installs it.
/// A test class takes a fresh database and a fresh virtual host, so classes never meet.
/// </summary>
public static class Servers
{
    /// <summary>Connection string of a superuser. The server must be for tests only: databases and roles are made in it, and some are left there.</summary>
    public const string PostgresVariable = "BILLING_TEST_POSTGRES";

    /// <summary>AMQP address of a user, without a virtual host.</summary>
    public const string RabbitMqVariable = "BILLING_TEST_RABBITMQ";

    /// <summary>The command that is rabbitmqctl for that server, as a shell would read it.</summary>
    public const string RabbitMqControlVariable = "BILLING_TEST_RABBITMQCTL";

    /// <summary>Virtual hosts made by one call, since starting rabbitmqctl costs more than a virtual host does.</summary>
    private const int VirtualHostsAtOnce = 8;

    // Nothing disposes these: whatever ends this process, ServerFolder's watchdog then ends what it started.
    private static readonly Lazy<Task<StartedServers>> Started = new(() => StartedServers.StartAsync(Console.Error.WriteLine));
    private static readonly Lazy<Task<PostgresCluster>> Cluster = new(async () =>
        new(Environment.GetEnvironmentVariable(PostgresVariable) ?? (await (await Started.Value).Postgres.Value).ConnectionString));
    private static readonly Lazy<Task<RabbitMqAddress>> Broker = new(async () => FromEnvironment() ?? await (await Started.Value).RabbitMq.Value);

    private static readonly ConcurrentDictionary<MethodInfo, Lazy<Task<ServiceDatabase>>> Templates = [];
    private static readonly string Run = RandomNumberGenerator.GetHexString(8, lowercase: true);
    private static readonly SemaphoreSlim VirtualHostGate = new(1);
    private static readonly Queue<string> FreeVirtualHosts = new();
    private static int _databases, _virtualHosts;

    public static Task<PostgresCluster> PostgresAsync() => Cluster.Value;

    /// <summary>A fresh database with the schemas and roles of all services.</summary>
    public static async Task<ServiceDatabase> CreateDatabaseAsync() =>
        await (await PostgresAsync()).CreateDatabaseAsync($"test_{Run}_{Interlocked.Increment(ref _databases)}");

    /// <summary>The same with the tables of services in it, which are made once for all that name the same <paramref name="makeTables"/>: making them takes longer than most tests.</summary>
    public static async Task<ServiceDatabase> CreateDatabaseAsync(Func<ServiceDatabase, Task> makeTables)
    {
        var template = await Templates.GetOrAdd(makeTables.Method, _ => new(async () =>
        {
            var made = await CreateDatabaseAsync();
            await makeTables(made);
            await (await PostgresAsync()).ShutDatabaseAsync(made);
            return made;
        })).Value;
        return await (await PostgresAsync()).CopyDatabaseAsync(template, $"test_{Run}_{Interlocked.Increment(ref _databases)}");
    }

    /// <summary>Ends the use of a database that came from here: hundreds of them, each written to, would be more than the machine's memory caches. Another's is left alone.</summary>
    public static Task DropAsync(ServiceDatabase database) => database.Name.StartsWith($"test_{Run}_", StringComparison.Ordinal) ? database.DropAsync() : Task.CompletedTask;

    /// <summary>AMQP address of a fresh virtual host.</summary>
    public static async Task<Uri> CreateVirtualHostAsync()
    {
        var broker = await Broker.Value;
        await VirtualHostGate.WaitAsync();
        try
        {
            if (FreeVirtualHosts.Count == 0)
            {
                string[] names = [.. Enumerable.Range(0, VirtualHostsAtOnce).Select(_ => $"test_{Run}_{++_virtualHosts}")];
                await VirtualHosts.CreateAsync(broker.Control, names, broker.Uri.UserInfo.Split(':')[0]);
                foreach (var name in names) FreeVirtualHosts.Enqueue(name);
            }
            return new UriBuilder(broker.Uri) { Path = FreeVirtualHosts.Dequeue() }.Uri;
        }
        finally
        {
            VirtualHostGate.Release();
        }
    }

    private static RabbitMqAddress? FromEnvironment() =>
        Environment.GetEnvironmentVariable(RabbitMqVariable) is not { } uri ? null
        : Environment.GetEnvironmentVariable(RabbitMqControlVariable) is { } control ? new RabbitMqAddress(new Uri(uri), control)
        : throw new ServerUnavailableException($"{RabbitMqVariable} is set, so {RabbitMqControlVariable} must be too: the command that is rabbitmqctl for that server");
}
