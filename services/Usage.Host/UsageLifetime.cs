using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host;

/// <summary>
/// The order of beginning and end. Serving begins when the database answers, whenever that is. It ends by draining: streams first (the web
/// server stops before this does), then rows, reports and slabs.
/// </summary>
public sealed class UsageLifetime(
    UsageStore store, Epochs epochs, Housekeeping housekeeping, LedgerWriters ledger, OwnerLoader loader, SlabWriter slabs, RepeatReader repeats, OwnerDirectory owners,
    UsagePublisher publisher, ServingGate gate, Readiness readiness, BalanceWatch watch, UsageMetrics metrics, IHostApplicationLifetime application, ILogger<UsageLifetime> log) : IHostedService, IDisposable
{
    private const string Database = "postgres";
    private static readonly TimeSpan SweepEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PublishRestWithin = TimeSpan.FromSeconds(3);
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _giveUp = new();
    private Task _running = Task.CompletedTask;
    private Task[] _workers = [];
    private Task _publishing = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        readiness.WaitFor(Database, "not asked yet");
        _running = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await using var lastResort = cancellationToken.Register(_giveUp.Cancel);
        await _stopping.CancelAsync();
        await _running;
        if (ledger.Shards == 0) return;

        await Quietly(ledger.DrainAsync(), "rows were not committed and so not acknowledged; their runtimes will send them again");
        await Quietly(_publishing, "");
        using var soon = CancellationTokenSource.CreateLinkedTokenSource(_giveUp.Token);
        soon.CancelAfter(PublishRestWithin);
        await Quietly(publisher.PublishRestAsync(soon.Token), "reports are durable and will be published at the next start");
        slabs.Complete();
        await Quietly(SlabWriter.WriteAsync(store, epochs, owners.Remainders(), soon.Token), "slabs end with their leases");
        loader.Complete();
        repeats.Complete();
        await Quietly(Task.WhenAll(_workers), "");
    }

    public void Dispose()
    {
        _stopping.Dispose();
        _giveUp.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            if (!await OpenStoreAsync()) return;
            var writers = ledger.StartAsync(owners.Committed, _giveUp.Token);
            _ = writers.ContinueWith(t => StopBecause(t.Exception!.GetBaseException()), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            _workers = [loader.RunAsync(), repeats.RunAsync(), slabs.RunAsync(owners.SlabDurable, _giveUp.Token)];
            foreach (var worker in _workers)
                _ = worker.ContinueWith(t => StopBecause(t.Exception!.GetBaseException()), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            _publishing = publisher.RunAsync(ledger.Shards, _stopping.Token);
            metrics.Observe(ledger, owners, watch);
            gate.Open();
            readiness.Has(Database);
            await WatchAsync();
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
                await epochs.TakeAsync(store, _stopping.Token);
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

    /// <summary>Sweeps leases, keeps partitions ahead of time, and says whether the database answers.</summary>
    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(SweepEvery);
        while (await timer.WaitForNextTickAsync(_stopping.Token))
        {
            owners.Sweep();
            try
            {
                await housekeeping.RunAsync(_stopping.Token);
                await using var connection = await store.DataSource.OpenConnectionAsync(_stopping.Token);
                await UsageStore.Execute(connection, "select 1", _stopping.Token);
                readiness.Has(Database);
            }
            catch (Exception e) when (StoreFailure.Is(e))
            {
                readiness.WaitFor(Database, StoreFailure.Cause(e));
            }
        }
    }

    private void StopBecause(Exception e)
    {
        if (e is OperationCanceledException) return;
        if (e is StoreMismatchException or EpochLostException) Console.Error.WriteLine($"cannot go on: {e.Message}");
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
