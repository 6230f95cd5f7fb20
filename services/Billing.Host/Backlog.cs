using System.Diagnostics.Metrics;
using Billing.Periods;
using Marten;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>What lies there and should not stay: counted every ten polls of due work, for the metrics and, where somebody has to act, the detail of /health/ready.</summary>
public sealed class Backlog : BackgroundService
{
    private const string Parked = "parked messages";
    private readonly IDocumentStore _store;
    private readonly BusinessClock _clock;
    private readonly Readiness _readiness;
    private readonly BillingOptions _options;
    private long _parked, _due;

    public Backlog(IDocumentStore store, BusinessClock clock, Readiness readiness, IMeterFactory meters, IOptions<BillingOptions> options)
    {
        (_store, _clock, _readiness, _options) = (store, clock, readiness, options.Value);
        var meter = meters.Create("Billing.Backlog");
        meter.CreateObservableGauge("billing.messages.parked", () => Volatile.Read(ref _parked), "{message}", "Messages that billing could not take; nothing that needs them goes on.");
        meter.CreateObservableGauge("billing.periods.due", () => Volatile.Read(ref _due), "{period}", "Billing periods whose grace is over and which are open still.");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await Count(stoppingToken);
            }
            catch (Exception e) when (StoreFailure.Is(e))
            {
                // Whether the database answers is said elsewhere; until it does these are the last figures.
            }
            catch (OperationCanceledException)
            {
                return;
            }
            await Task.Delay(TimeSpan.FromSeconds(_options.DuePollSeconds * 10), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task Count(CancellationToken ct)
    {
        await using var session = _store.QuerySession();
        var ended = _clock.Now - _options.Grace;
        Volatile.Write(ref _due, await session.Query<PeriodToClose>().LongCountAsync(p => p.End <= ended, ct));
        var parked = await session.Query<ParkedMessage>().LongCountAsync(m => m.SetAsideAt == null, ct);
        Volatile.Write(ref _parked, parked);
        if (parked == 0) _readiness.Forget(Parked);
        else _readiness.Note(Parked, $"{parked} that billing could not take, and nothing that needs them goes on: billing parked list shows why");
    }
}
