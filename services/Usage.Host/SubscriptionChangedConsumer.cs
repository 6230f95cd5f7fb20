using Contracts.Messages;
using MassTransit;
using Usage.Host.Cluster;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host;

/// <summary>Takes billing's snapshots, in any order and as often as they come: the higher version wins. While the service drains as well, for its queue is read until the end.</summary>
public sealed class SubscriptionChangedConsumer(TermsSource terms, OwnerRoutes routes, ServingGate gate) : IConsumer<SubscriptionChanged>
{
    public const string Queue = "usage-subscription-changed";

    public async Task Consume(ConsumeContext<SubscriptionChanged> context)
    {
        var (snapshot, stopped) = (SnapshotTerms.Of(context.Message), context.CancellationToken);
        // While the database is away the message stays with the broker: a snapshot that is dropped may be the last for a month. Owners that are told no more when the bus stops are told by
        // whoever gets it then.
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            try
            {
                gate.ThrowUnlessOpened();
                await routes.TermsChangedAsync(await terms.StoreAsync(snapshot, stopped), stopped);
                return;
            }
            catch (Exception e) when (StoreFailure.Is(e) || OwnerMoved.Is(e) || (gate.Draining.IsCancellationRequested && !stopped.IsCancellationRequested))
            {
                await backoff.WaitAsync(stopped);
            }
        }
    }
}

/// <summary>The last station of snapshots that could not be taken. One that was in hand when the bus stopped goes back to its queue; one that cannot be is kept in the queue of errors, counted and named.</summary>
public sealed class SnapshotFaults(UsageMetrics metrics, Readiness readiness, ILogger<SnapshotFaults> log) : IFilter<ExceptionReceiveContext>
{
    public const string ErrorQueue = SubscriptionChangedConsumer.Queue + "_error";

    public Task Send(ExceptionReceiveContext context, IPipe<ExceptionReceiveContext> next)
    {
        var cause = context.Exception.GetBaseException();
        if (cause is OperationCanceledException || context.CancellationToken.IsCancellationRequested) return Task.FromException(context.Exception);
        metrics.SnapshotFailed();
        readiness.Note(SubscriptionChangedConsumer.Queue, $"a snapshot of a subscription could not be taken, and lies in the queue {ErrorQueue}: {cause.Message.ReplaceLineEndings(" ")}");
        log.LogError(cause, "a snapshot of a subscription could not be taken, and lies in the queue {Queue}", ErrorQueue);
        return next.Send(context);
    }

    public void Probe(ProbeContext context) => context.CreateFilterScope("snapshotFaults");
}
