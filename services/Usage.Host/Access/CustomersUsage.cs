using System.Collections.Concurrent;
using Contracts.Usage.V1;
using Npgsql;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host.Access;

/// <summary>A customer's key sees its own subscriptions. Whose a subscription is never changes, and is known from billing's snapshots.</summary>
public sealed class CustomersUsage(UsageStore store, TermsSource terms) : ICustomerBoundary
{
    private const int RememberedMax = 100_000;
    private readonly ConcurrentDictionary<Guid, Guid> _customers = new();

    public Task CheckAsync(string customerId, object request, CancellationToken ct) => request switch
    {
        GetBalanceRequest r => MustOwn(customerId, r.SubscriptionId, ct),
        WatchBalanceRequest r => MustOwn(customerId, r.SubscriptionId, ct),
        ListEventsRequest r => MustOwn(customerId, r.SubscriptionId, ct),
        AggregateRequest r => MustOwn(customerId, r.SubscriptionId, ct),
        _ => throw ICustomerBoundary.NotForCustomers(request),
    };

    private async Task MustOwn(string customerId, string subscriptionId, CancellationToken ct)
    {
        if (subscriptionId.Length == 0) throw new FormatException("subscription_id is missing: a customer's key asks about one subscription at a time");
        if (await CustomerOf(Ids.Parse(Ids.Subscription, subscriptionId), ct) is not { } customer || Ids.Format(Ids.Customer, customer) != customerId)
            throw new Refusal(Usage.Reasons.SubscriptionUnknown, $"there is no subscription {subscriptionId}; check the id").AsException();
    }

    private async Task<Guid?> CustomerOf(Guid subscription, CancellationToken ct)
    {
        if (_customers.TryGetValue(subscription, out var known)) return known;
        await using var command = store.DataSource.CreateCommand("select (terms ->> 'Customer')::uuid from usage.subscription where subscription = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = subscription });
        // Not heard of it, or only by a service that did not keep whose it is: billing knows.
        if (await command.ExecuteScalarAsync(ct) is not Guid customer)
        {
            var asked = await terms.AskAsync(subscription, waits: false).WaitAsync(ct);
            if (asked.TooMany) throw terms.TooMany.AsException();
            if (asked.Terms?.Customer is not { } told) return null;
            customer = told;
        }
        if (_customers.Count >= RememberedMax) _customers.Clear();
        _customers[subscription] = customer;
        return customer;
    }
}
