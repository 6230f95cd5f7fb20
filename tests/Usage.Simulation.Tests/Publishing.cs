using Billing.Periods;
using Usage.Caps;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>Publishes what a shard has cut and announced for as long as it is held, as in the host, over the real <see cref="Outbox"/>.</summary>
internal sealed class Publishing
{
    private const int LookAgainMs = 5_000, BackoffMaxMs = 2_000;
    private static readonly Outbox Reports = new(readMax: 6, unconfirmedMax: 3), Thresholds = new(readMax: 4, unconfirmedMax: 4);
    private readonly World _world;
    private readonly Hold _hold;
    private readonly Line _reports, _thresholds;

    public Publishing(World world, Hold hold)
    {
        (_world, _hold) = (world, hold);
        _reports = new(hold, () => Reports.PublishSomeAsync(max => ReadAsync(Shard.Reports, max), PublishAsync, MarkAsync));
        _thresholds = new(hold, () => Thresholds.PublishSomeAsync(max => ReadAsync(Shard.Thresholds.Values, max), PublishAsync, MarkAsync));
        LookAgain();
    }

    private ShardRow Shard => _world.Store.Shards[_hold.Shard];

    public void Wake()
    {
        _reports.Wake();
        _thresholds.Wake();
    }

    private void LookAgain()
    {
        Wake();
        _hold.After(LookAgainMs, LookAgain);
    }

    private Task<List<Unmarked<T>>> ReadAsync<T>(IEnumerable<Unmarked<T>> some, int max) =>
        _world.Store.ReadAsync<List<Unmarked<T>>>(_hold, () => [.. some.Where(s => !s.Published).Take(max)]);

    private async Task<int> PublishAsync(Unmarked<UsageReport>[] some)
    {
        var publishing = _world.Broker.PublishAsync(_hold, [.. some.Select(s => s.What)]);
        return _world.Mutation == Mutation.MarkedBeforeConfirmed ? some.Length : await publishing;
    }

    private async Task<int> PublishAsync(Unmarked<ThresholdCrossing>[] some)
    {
        await _world.Broker.PublishAsync(_hold, [.. some.Select(s => s.What)]);
        return some.Length;
    }

    private Task MarkAsync(Unmarked<UsageReport>[] taken)
    {
        var through = taken[^1].What.Number;
        return _world.Store.WriteAsync(_hold, () =>
        {
            _world.Observer.Publishing.Marked(_hold.Shard, through);
            _world.Store.Mark(_hold.Shard, Shard.Reports.Where(r => r.What.Number <= through));
        });
    }

    private Task MarkAsync(Unmarked<ThresholdCrossing>[] taken) => _world.Store.WriteAsync(_hold, () =>
    {
        _world.Observer.Publishing.Marked(taken);
        _world.Store.Mark(_hold.Shard, taken);
    });

    /// <summary>One that waits does not hold up the other.</summary>
    private sealed class Line(Hold hold, Func<Task<bool>> publishSome)
    {
        private bool _publishing, _again;

        public void Wake()
        {
            _again = true;
            if (_publishing) return;
            _publishing = true;
            hold.Run(PublishAsync);
        }

        private async Task PublishAsync()
        {
            await hold.Pause(0);
            for (var backoff = 50; _again;)
            {
                _again = false;
                try
                {
                    while (await publishSome()) { }
                    backoff = 50;
                }
                catch (Exception e) when (e is StoreLostException or BrokerLostException)
                {
                    _again = true;
                    await hold.Pause(backoff);
                    backoff = Math.Min(2 * backoff, BackoffMaxMs);
                }
            }
            _publishing = false;
        }
    }
}
