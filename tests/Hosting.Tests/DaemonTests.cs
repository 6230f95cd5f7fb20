using System.Collections.Concurrent;
using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Marten;
using Marten.Events.Daemon;
using Marten.Events.Daemon.Internals;
using Marten.Subscriptions;

namespace Hosting.Tests;

/// <summary>What the elected daemon does with subscriptions, which are how facts leave a service.</summary>
public sealed class DaemonTests : IAsyncLifetime
{
    private string _postgres = "", _rabbitMq = "";

    public async Task InitializeAsync()
    {
        _postgres = (await Servers.CreateDatabaseAsync()).ConnectionString("billing");
        _rabbitMq = (await Servers.CreateVirtualHostAsync()).OriginalString;
    }

    public Task DisposeAsync() => Task.CompletedTask;

    private sealed class Listener : SubscriptionBase
    {
        private readonly Func<CoinDropped, Task> _hear;

        public Listener(string name, Func<CoinDropped, Task> hear)
        {
            (Name, _hear) = (name, hear);
            IncludeType<CoinDropped>();
        }

        public override async Task<IChangeListener> ProcessEventsAsync(
            EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
        {
            foreach (var e in page.Events.Select(e => e.Data).OfType<CoinDropped>()) await _hear(e);
            return NullChangeListener.Instance;
        }
    }

    private async Task<TestHost> Start(params Listener[] listeners)
    {
        var host = await TestHost.StartAsync(_postgres, _rabbitMq, store: o =>
        {
            foreach (var listener in listeners) o.Projections.Subscribe(listener);
        });
        await host.IsReadyAsync();
        return host;
    }

    private static async Task Drop(TestHost host, string coin) => await host.Jars.RetireMenuAsync(new() { MenuId = $"jar-{coin}", Reason = coin });

    [Fact]
    public async Task A_subscription_that_throws_is_tried_again_by_itself_and_holds_up_no_other()
    {
        var (heard, tries, others) = (new ConcurrentQueue<string>(), 0, new ConcurrentQueue<string>());
        var mended = false;
        await using var host = await Start(
            new Listener("faulty", e =>
            {
                Interlocked.Increment(ref tries);
                if (!Volatile.Read(ref mended)) throw new InvalidOperationException("not yet");
                heard.Enqueue(e.Coin);
                return Task.CompletedTask;
            }),
            new Listener("sound", e =>
            {
                others.Enqueue(e.Coin);
                return Task.CompletedTask;
            }));
        foreach (var coin in new[] { "a", "b", "c" }) await Drop(host, coin);
        await Eventually.True(() => others.Count == 3, "the sound one hears everything");
        await Eventually.True(() => tries >= 3, "the faulty one is tried again and again");
        Assert.Empty(heard);

        Volatile.Write(ref mended, true);
        await Eventually.True(() => heard.Distinct().Count() == 3, "nothing was skipped");
        Assert.Equal(["a", "b", "c"], heard.Distinct());
    }

    [Fact]
    public async Task Of_two_instances_one_leads_and_the_other_takes_over_when_it_stops()
    {
        var (one, two) = (new ConcurrentQueue<string>(), new ConcurrentQueue<string>());
        Listener Into(ConcurrentQueue<string> heard) => new("listener", e =>
        {
            heard.Enqueue(e.Coin);
            return Task.CompletedTask;
        });
        var first = await Start(Into(one));
        await Drop(first, "a");
        await Eventually.True(() => one.Contains("a"), "the first leads");
        await using var second = await Start(Into(two));
        await Drop(second, "b");
        await Eventually.True(() => one.Contains("b"), "the first still leads");
        Assert.Empty(two);

        await first.DisposeAsync();
        await Drop(second, "c");
        await Eventually.True(() => two.Contains("c"), "the second took over");
        Assert.Equal(["a", "b"], one);
        Assert.Equal(["c"], two);
    }

    [Fact]
    public async Task A_daemon_whose_lock_was_killed_stops_before_another_one_starts()
    {
        var (running, atOnce, heard) = (0, 0, new ConcurrentQueue<string>());
        Listener Watched() => new("listener", async e =>
        {
            var now = Interlocked.Increment(ref running);
            if (now > 1) Interlocked.Exchange(ref atOnce, now);
            // Long enough for another one to be caught at it.
            for (var spin = 0; spin < 20; spin++) await Task.Yield();
            heard.Enqueue(e.Coin);
            Interlocked.Decrement(ref running);
        });
        await using var first = await Start(Watched());
        await using var second = await Start(Watched());
        for (var round = 0; round < 4; round++)
        {
            await Eventually.True(async () => await Holders() == 1, "one holds the lock");
            await Eventually.True(async () => await Sql<bool>("select not released from billing.daemon_lease"), "it leads");
            await Sql<long>("select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())");
            for (var coin = 0; coin < 3; coin++) await Drop(round % 2 == 0 ? first : second, $"{round}/{coin}");
        }
        await Eventually.True(() => heard.Distinct().Count() == 12, "nothing was lost");
        Assert.Equal(0, atOnce);
    }

    [Fact]
    public async Task Who_comes_after_a_holder_that_was_killed_waits_until_its_lease_ran_out_and_after_one_that_stopped_does_not()
    {
        var host = await Start(new Listener("listener", _ => Task.CompletedTask));
        await Eventually.True(async () => await Sql<bool>("select not released from billing.daemon_lease"), "it leads");
        await host.DisposeAsync();
        Assert.True(await Sql<bool>("select released from billing.daemon_lease"));

        // As a machine leaves it that lost its power.
        await Sql<object>("update billing.daemon_lease set released = false, holder = 'dead', renewed_at = clock_timestamp()");
        var died = await Sql<DateTime>("select renewed_at from billing.daemon_lease");
        await using var next = await Start(new Listener("listener", _ => Task.CompletedTask));
        await Eventually.True(async () => await Sql<string>("select holder from billing.daemon_lease") != "dead", "the next one leads");
        Assert.True(await Sql<DateTime>("select renewed_at from billing.daemon_lease") - died >= TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task What_stands_still_says_at_which_event_and_why_until_it_is_past_it()
    {
        var mended = false;
        await using var host = await Start(new Listener("faulty", e => e.Coin == "b" && !Volatile.Read(ref mended) ? throw new InvalidOperationException("not this one") : Task.CompletedTask));
        await Drop(host, "a");
        await Drop(host, "b");
        await Eventually.True(async () => (await host.ReadyAsync()).Item2.Contains("faulty:All: ", StringComparison.Ordinal), "it says that it stands still");
        Assert.Contains("billing_shards_stopped", await host.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative)), StringComparison.Ordinal);
        var (status, said) = await host.ReadyAsync();
        Assert.Equal(200, status);
        Assert.Contains("not this one", said, StringComparison.Ordinal);
        Assert.Contains("event ", said, StringComparison.Ordinal);
        Volatile.Write(ref mended, true);
        await Eventually.True(async () => (await host.ReadyAsync()).Item2 == "ready\n", "it goes on");
    }

    private Task<long> Holders() => Sql<long>("select count(*) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())");

    private async Task<T> Sql<T>(string sql)
    {
        await using var connection = new Npgsql.NpgsqlConnection(_postgres);
        await connection.OpenAsync();
        await using var command = new Npgsql.NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync() ?? default(T)!);
    }
}
