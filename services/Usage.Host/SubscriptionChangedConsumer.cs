using Contracts.Messages;
using MassTransit;
using Usage.Host.Cluster;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host;

/// <summary>Takes billing's snapshots, in any order and as often as they come: the higher version wins.</summary>
public sealed class SubscriptionChangedConsumer(TermsSource terms, OwnerRoutes routes, ServingGate gate) : IConsumer<SubscriptionChanged>
{
    public const string Queue = "usage-subscription-changed";

    public async Task Consume(ConsumeContext<SubscriptionChanged> context)
    {
        var snapshot = SnapshotTerms.Of(context.Message);
        // While the database is away the message stays with the broker: a snapshot that is dropped may be the last for a month.
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            try
            {
                gate.ThrowUnlessServing();
                await routes.TermsChangedAsync(await terms.StoreAsync(snapshot, context.CancellationToken), context.CancellationToken);
                return;
            }
            catch (Exception e) when ((StoreFailure.Is(e) || OwnerMoved.Is(e)) && !gate.Draining.IsCancellationRequested)
            {
                await backoff.WaitAsync(gate.Draining);
            }
        }
    }
}
