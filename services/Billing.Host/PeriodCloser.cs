using Billing.Periods;
using Grpc.Core;
using Marten;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>
/// What falls due in billing as business time passes, in this order: subscriptions move on (trials end, periods turn, scheduled changes happen), periods whose grace is over close once billing has
/// everything that usage recorded, and their invoices become final. Every step is a batch in one transaction, found again from
/// what is stored, so a crash between any two loses and doubles nothing.
/// </summary>
public sealed class PeriodCloser(
    IDocumentStore store, SubscriptionsDue subscriptions, PeriodClosing closing, InvoiceFinalizing finalizing, GapFetcher gaps, UsageReports reports,
    IOptions<BillingOptions> options, ILogger<PeriodCloser> log) : IDueWork, IDisposable
{
    private readonly SemaphoreSlim _one = new(1);

    public void Dispose() => _one.Dispose();

    /// <exception cref="RefusedException">usage_unreachable or usage_not_applied: periods are due and stay open until usage is complete.</exception>
    public async Task RunAsync(DateTimeOffset now, CancellationToken ct)
    {
        await _one.WaitAsync(ct);
        try
        {
            var turned = await Repeat(() => subscriptions.RunBatch(now, ct)) + await Repeat(() => subscriptions.RunLateBatch(now, ct));
            var closed = await AnyToClose(now, ct) ? await Close(now, ct) : 0;
            var finalized = await Repeat(() => finalizing.RunBatch(now, ct));
            if (turned + closed + finalized > 0)
                log.LogInformation("{Turned} subscriptions moved on, {Closed} closed, {Finalized} invoices finalized at {At:O}", turned, closed, finalized, now);
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<int> Close(DateTimeOffset now, CancellationToken ct)
    {
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
        var applied = (await reports.Progress(ct)).ToDictionary(p => p.Shard, p => p.Through);
        foreach (var head in cut)
            if (applied.GetValueOrDefault(head.Shard) < head.Number)
                throw new Refusal("usage_not_applied",
                    $"periods are due, but report {applied.GetValueOrDefault(head.Shard) + 1} of shard {head.Shard} is not applied (usage is at {head.Number}); the log says why").AsException();
        return await Repeat(() => closing.RunBatch(now, cut.ToValueList(), ct));
    }

    private async Task<bool> AnyToClose(DateTimeOffset now, CancellationToken ct)
    {
        var ended = now - options.Value.Grace;
        await using var session = store.QuerySession();
        return await session.Query<PeriodToClose>().AnyAsync(p => p.End <= ended, ct);
    }

    private static async Task<int> Repeat(Func<Task<int>> batch)
    {
        var total = 0;
        while (await batch() is var done and > 0) total += done;
        return total;
    }
}

/// <summary>Runs due work every second or so, on whatever time the business clock shows.</summary>
public sealed class DueWorkLoop(IEnumerable<IDueWork> dueWork, BusinessClock clock, IOptions<BillingOptions> options, ILogger<DueWorkLoop> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        string? said = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                foreach (var work in dueWork) await work.RunAsync(clock.Now, stoppingToken);
                said = null;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                var cause = e is RefusedException ? e.Message : StoreFailure.Is(e) ? StoreFailure.Cause(e) : e.ToString();
                if (cause != said) log.LogWarning("due work waits: {Cause}", said = cause);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            await Task.Delay(TimeSpan.FromSeconds(options.Value.DuePollSeconds), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
