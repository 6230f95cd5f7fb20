using Billing.Operations;
using Grpc.Core;

namespace Billing.Host;

/// <summary>Keeps in billing's own history who ordered which key to be let in or not any more, and why: the list of keys is a table, and nothing seals it.</summary>
public sealed class KeyOrders(EventStreams streams, BusinessClock clock)
{
    public async Task Keep(KeyOrder order, ServerCallContext context)
    {
        OperationEvent ordered = order.Key is { } key
            ? new KeyRegistrationOrdered(key.Id, key.Name, key.Scopes.List().ToValueList(), key.CustomerId, clock.Now)
            : new KeyRevocationOrdered(order.KeyId, clock.Now);
        (await streams.Transact<OperationsState, OperationEvent>(
            OperationsState.StreamId, OperationsState.Initial, OperationsState.Evolve, _ => Decision.Accept(ordered).By(CallerAttribution.Of(context)), context.CancellationToken)).OrThrow();
    }
}
