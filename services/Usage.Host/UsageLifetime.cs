using Microsoft.Extensions.Options;
using Usage.Host.Access;
using Usage.Host.Cluster;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host;

/// <summary>
/// The order of beginning and end. Serving begins when the database answers, whenever that is. It ends by draining: streams first (the web
/// server stops before this does), then rows, reports and slabs.
/// </summary>
public sealed class UsageLifetime(
    UsageStore store, Housekeeping housekeeping, Instances instances, ShardKeeper keeper, OwnerLoader loader, SlabWriter slabs, RepeatReader repeats, CustomerReader customers, OwnerDirectory owners,
    RemoteOutlets remotes, UsagePublisher publisher, ServingGate gate, Readiness readiness, CallerBounds bounds, LedgerWriters ledger, UsageMetrics metrics, IHostApplicationLifetime application, ILogger<UsageLifetime> log) : IHostedService, IDisposable
{
    /// <summary>What readiness calls the database.</summary>
    public const string Database = "postgres";
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(10);
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _leaving = new();
    private readonly CancellationTokenSource _giveUp = new();
    private Task _running = Task.CompletedTask;
    private int _stopped;
    private Task _keeping = Task.CompletedTask;
    private Task[] _workers = [];

    public Task StartAsync(CancellationToken cancellationToken)
    {
        readiness.WaitFor(Database, "not asked yet");
        _running = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await using var lastResort = cancellationToken.Register(() =>
        {
            keeper.GiveUp();
            _giveUp.Cancel();
        });
        await _stopping.CancelAsync();
        await _running;

        // The silo says that it goes, leaves its shards, and only then is silent. Alone there is nobody to say it to.
        await Quietly(instances.LeaveAsync(cancellationToken), "the others will notice");
        await LeaveShardsAsync();
        slabs.Complete();
        loader.Complete();
        repeats.Complete();
        customers.Complete();
        await Quietly(Task.WhenAll(_workers), "");
    }

    public void Dispose()
    {
        // Where a host that failed to begin is thrown away without having been stopped.
        _stopping.Cancel();
        _stopping.Dispose();
        _leaving.Dispose();
        _giveUp.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            if (!await OpenStoreAsync()) return;
            _workers = [loader.RunAsync(), repeats.RunAsync(), customers.RunAsync(), slabs.RunAsync(owners.SlabDurable, _giveUp.Token)];
            publisher.Start();
            await instances.JoinAsync(LeaveShardsAsync, why => StopBecause(new ExpelledException(why)), _stopping.Token);
            _keeping = keeper.RunAsync(StopBecause, _leaving.Token);
            foreach (var worker in _workers)
                _ = worker.ContinueWith(t => StopBecause(t.Exception!.GetBaseException()), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            // Alone, whoever is let in finds every owner here. In a cluster a shard may have to be waited for, and who asks for it waits.
            while (!keeper.HoldsItsOwn && !instances.IsClustered) await Task.Delay(LookAgain, _stopping.Token);
            metrics.Observe(ledger, owners, bounds);
            gate.Open();
            readiness.Has(Database);
            await WatchAsync(_stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Told to stop: StopAsync does the rest.
        }
        catch (Exception e)
        {
            StopBecause(e);
        }
    }

    private async Task<bool> OpenStoreAsync()
    {
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            try
            {
                await store.MigrateAsync(_stopping.Token);
                await housekeeping.MakeAheadAsync(_stopping.Token);
                return true;
            }
            catch (StoreMismatchException e)
            {
                StopBecause(e);
                return false;
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                var cause = StoreFailure.Cause(e);
                if (!readiness.Waiting.TryGetValue(Database, out var said) || said != cause) log.LogWarning("waiting for the database: {Cause}", cause);
                readiness.WaitFor(Database, cause);
                await backoff.WaitAsync(_stopping.Token);
            }
        }
    }

    /// <summary>Until told to stop: sweeps leases, says whether the database answers, and does what the ledger needs. None waits for another, for leases end however slow the database is.</summary>
    private Task WatchAsync(CancellationToken stopping) => Task.WhenAll(
        RepeatAsync(() =>
        {
            owners.Sweep();
            remotes.Sweep();
            return Task.CompletedTask;
        }, stopping),
        RepeatAsync(() => LookAtStoreAsync(stopping), stopping),
        RepeatAsync(() => housekeeping.RunAsync(stopping), stopping),
        RepeatAsync(() => housekeeping.DetachAsync(stopping), stopping));

    private async Task LookAtStoreAsync(CancellationToken stopping)
    {
        try
        {
            await using var connection = await store.DataSource.OpenConnectionAsync(stopping);
            await UsageStore.Execute(connection, "select 1", stopping);
            readiness.Has(Database);
        }
        catch (Exception e) when (StoreFailure.Is(e))
        {
            readiness.WaitFor(Database, StoreFailure.Cause(e));
        }
    }

    private async Task RepeatAsync(Func<Task> what, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(SweepEvery);
        while (await timer.WaitForNextTickAsync(stopping))
        {
            try { await what(); }
            catch (Exception e) when (StoreFailure.Is(e) || (e is OperationCanceledException && !stopping.IsCancellationRequested))
            {
                // Tried again; that the database does not answer is said by whoever looks at it.
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // The others must not go on without one: Task.WhenAll would only tell once all have ended.
                StopBecause(e);
                throw;
            }
        }
    }

    private async Task LeaveShardsAsync()
    {
        await _leaving.CancelAsync();
        await Quietly(_keeping, "");
    }

    private void StopBecause(Exception e)
    {
        // Eight shards may be lost in one moment; why the service stops is said once.
        if (e is OperationCanceledException || Interlocked.Exchange(ref _stopped, 1) != 0) return;
        if (e is StoreMismatchException or NotAloneException or ExpelledException or OptionsValidationException) Console.Error.WriteLine($"cannot go on: {e.Message}");
        else log.LogCritical(e, "cannot go on");
        Environment.ExitCode = 1;
        application.StopApplication();
    }

    private async Task Quietly(Task task, string consequence)
    {
        try
        {
            await task;
        }
        catch (Exception e)
        {
            if (consequence.Length > 0) log.LogWarning("while stopping: {Cause}; {Consequence}", e.Message, consequence);
        }
    }
}
