using System.Collections.Concurrent;
using Contracts.Usage.V1;
using Usage.Host.Owners;

namespace Usage.Host.Access;

/// <summary>A customer's key sees its own subscriptions. Whose a subscription is never changes, and is known from billing's snapshots.</summary>
public sealed class CustomersUsage(CustomerReader customers, TermsSource terms, CallerBounds bounds, ServingGate gate) : ICustomerBoundary
{
    private const int RememberedMax = 100_000;
    private readonly ConcurrentDictionary<Guid, Guid> _customers = new();
    private readonly ConcurrentDictionary<Guid, Lazy<Task<Guid?>>> _asking = new();

    public Task CheckAsync(string customerId, string caller, object request, CancellationToken ct) => request switch
    {
        GetBalanceRequest r => MustOwn(customerId, caller, r.SubscriptionId, ct),
        WatchBalanceRequest r => MustOwn(customerId, caller, r.SubscriptionId, ct),
        ListEventsRequest r => MustOwn(customerId, caller, r.SubscriptionId, ct),
        AggregateRequest r => MustOwn(customerId, caller, r.SubscriptionId, ct),
        _ => throw ICustomerBoundary.NotForCustomers(request),
    };

    private async Task MustOwn(string customerId, string caller, string subscriptionId, CancellationToken ct)
    {
        if (subscriptionId.Length == 0) throw new FormatException("subscription_id is missing: a customer's key asks about one subscription at a time");
        if (await CustomerOf(caller, Ids.Parse(Ids.Subscription, subscriptionId), ct) is not { } customer || Ids.Format(Ids.Customer, customer) != customerId)
            throw new Refusal(Usage.Reasons.SubscriptionUnknown, $"there is no subscription {subscriptionId}; check the id").AsException();
    }

    /// <param name="caller">under whose name it is counted: a call that waits here is one of his, though its method has not begun</param>
    private async Task<Guid?> CustomerOf(string caller, Guid subscription, CancellationToken ct)
    {
        if (_customers.TryGetValue(subscription, out var known)) return known;
        gate.ThrowUnlessServing();
        using var place = bounds.CustomerCalls.Enter(caller);
        // Once for all who ask at the same time; whoever goes leaves it to the others.
        return await _asking.GetOrAdd(subscription, id => new Lazy<Task<Guid?>>(() => FindAsync(id))).Value.WaitAsync(ct);
    }

    private async Task<Guid?> FindAsync(Guid subscription)
    {
        try
        {
            if (await customers.ReadAsync(subscription) is not { } customer)
            {
                // Billing knows.
                var asked = await terms.AskAsync(subscription, waits: false);
                if (asked.TooMany) throw terms.TooMany.AsException();
                if (asked.Terms?.Customer is not { } told) return null;
                customer = told;
            }
            if (_customers.Count >= RememberedMax) _customers.Clear();
            _customers[subscription] = customer;
            return customer;
        }
        finally
        {
            _asking.TryRemove(subscription, out _);
        }
    }
}
