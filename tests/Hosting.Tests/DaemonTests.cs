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
}
