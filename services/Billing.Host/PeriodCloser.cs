using System.Runtime.ExceptionServices;
using Billing.Periods;
using Grpc.Core;
using Marten;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>
/// What falls due in billing as business time passes, in this order: subscriptions move on (trials end, periods turn, scheduled changes happen), periods whose grace is over close once billing has
/// everything that usage recorded, and their invoices become final. Every step is a batch in one transaction, found again from
/// what is stored, so a crash between any two loses and doubles nothing. What one step waits for, or fails at, keeps no other from being done.
/// </summary>
public sealed class PeriodCloser(
    IDocumentStore store, SubscriptionsDue subscriptions, PeriodClosing closing, InvoiceFinalizing finalizing, DueItems items, GapFetcher gaps, UsageReports reports,
    IOptions<BillingOptions> options, ILogger<PeriodCloser> log) : IDueWork, IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    public void Dispose() => _one.Dispose();

    /// <exception cref="RefusedException">
    /// When all else is done. usage_unreachable, usage_went_back or usage_not_applied: periods are due and stay open until usage is complete. due_work_failed: names what fails.
    /// </exception>
    public async Task RunAsync(DateTimeOffset now, CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            var failures = new List<Exception>();
            var turned = await Step(failures, () => subscriptions.Run(now, ct)) + await Step(failures, () => subscriptions.RunLate(now, ct));
            var closed = await Step(failures, () => CloseDue(now, ct));
            var finalized = await Step(failures, () => finalizing.Run(now, ct));
            if (turned + closed + finalized > 0)
                log.LogInformation("{Turned} subscriptions moved on, {Closed} closed, {Finalized} invoices finalized at {At:O}", turned, closed, finalized, now);
            if (failures.Count > 0) ExceptionDispatchInfo.Throw(failures[0]);
            if (items.Failing is { } failing) throw failing.AsException();
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<int> CloseDue(DateTimeOffset now, CancellationToken ct)
    {
        if (await AnyToClose(now, ct)) return await Close(now, ct);
        closing.NoneDue();
        return 0;
    }

    private async Task<int> Close(DateTimeOffset now, CancellationToken ct)
    {
        // What usage has told before it is asked again: it only ever grows.
        var told = await reports.Progress(ct);
        IReadOnlyList<ReportHead> cut;
        try
        {
            // Asked now, after end and grace: what usage has recorded until now is what these periods are billed for.
            cut = await gaps.CatchUp(ct);
        }
        catch (RpcException e) when (!ct.IsCancellationRequested)
        {
            throw new Refusal("usage_unreachable", $"periods are due, but usage does not say how far it is ({e.Status.Detail}); they close when it answers").AsException();
        }
        if (WentBack(told, cut) is { } lost) throw lost.AsException();
        var applied = (await reports.Progress(ct)).ToDictionary(p => p.Shard, p => p.Through);
        foreach (var head in cut)
            if (applied.GetValueOrDefault(head.Shard) < head.Number)
                throw new Refusal("usage_not_applied",
                    $"periods are due, but report {applied.GetValueOrDefault(head.Shard) + 1} of shard {head.Shard} is not applied (usage is at {head.Number}); the log says why").AsException();
        return await Repeat(() => closing.Run(now, cut.ToValueList(), ct));
    }

    /// <summary>Usage that knows less than it has told is not complete, whatever it says: it was pointed at an older database, or at none of its own.</summary>
    private static Refusal? WentBack(IReadOnlyList<ShardProgress> told, IReadOnlyList<ReportHead> heads)
    {
        foreach (var shard in told.Where(s => s.Highest > 0))
        {
            var head = heads.FirstOrDefault(h => h.Shard == shard.Shard);
            if (head is null || head.Number < shard.Highest)
                return new Refusal("usage_went_back",
                    $"periods are due, but usage {(head is null ? $"knows no shard {shard.Shard}" : $"is at report {head.Number} of shard {shard.Shard}")}, of which report {shard.Highest} is in the books: "
                    + "it runs on an older or another database. They close when it has its own again");
        }
        return null;
    }

    private async Task<bool> AnyToClose(DateTimeOffset now, CancellationToken ct)
    {
        var ended = now - options.Value.Grace;
        await using var session = store.QuerySession();
        return await session.Query<PeriodToClose>().AnyAsync(p => p.End <= ended, ct);
    }

    private static async Task<int> Step(List<Exception> failures, Func<Task<int>> step)
    {
        try
        {
            return await step();
        }
        catch (Exception e) when (DueItems.IsOfAnItem(e))
        {
            failures.Add(e);
            return 0;
        }
    }

    private static async Task<int> Repeat(Func<Task<int>> batch)
    {
        var total = 0;
        while (await batch() is var done and > 0) total += done;
        return total;
    }
}

/// <summary>Runs due work every second or so, on whatever time the business clock shows.</summary>
public sealed class DueWorkLoop(IEnumerable<IDueWork> dueWork, BusinessClock clock, DatabaseTime databaseTime, IOptions<BillingOptions> options, ILogger<DueWorkLoop> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var said = new Dictionary<IDueWork, string>();
        while (!stoppingToken.IsCancellationRequested)
        {
            foreach (var work in dueWork)
            {
                try
                {
                    await work.RunAsync(await databaseTime.NotAhead(clock, stoppingToken), stoppingToken);
                    said.Remove(work);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    var cause = e is RefusedException ? e.Message : StoreFailure.Is(e) ? StoreFailure.Cause(e) : e.ToString();
                    // What a clock shows is another time at each look, and the same cause.
                    var same = e is RefusedException { Refusal.Code: DatabaseTime.ClockAhead } ? DatabaseTime.ClockAhead : cause;
                    if (same != said.GetValueOrDefault(work)) log.LogWarning("due work waits: {Cause}", cause);
                    said[work] = same;
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
            await Task.Delay(TimeSpan.FromSeconds(options.Value.DuePollSeconds), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
