using Billing.Subscriptions;
using Marten;

namespace Billing.Host;

/// <summary>
/// What the clocks of a customer show, by which agreements hold: those of a subscription, which keeps the time zone that it was started with, or the customer's own. Where they differ and all are meant,
/// what begins now is dated by the clocks that are behind, and what ends now by those that are ahead: no period that begins now misses it, and none that has begun loses it.
/// </summary>
/// <param name="TimeZone">the customer's own; empty until set</param>
/// <param name="Subscriptions">the customer's, by id</param>
public sealed record CustomerClocks(string TimeZone, IReadOnlyDictionary<string, SubscriptionState.Known> Subscriptions)
{
    private const string Utc = "UTC";

    public static async Task<CustomerClocks> Load(IDocumentStore store, string customerId, string timeZone, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        var subscriptions = await session.Query<SubscriptionView>().Where(s => s.CustomerId == customerId).ToListAsync(ct);
        return new(timeZone, subscriptions.ToDictionary(s => s.Id, s => s.State));
    }

    /// <summary>How one of the customer's subscriptions stands; null where the customer has none of the id.</summary>
    public SubscriptionStatus? StatusOf(string subscriptionId) => Subscriptions.GetValueOrDefault(subscriptionId)?.Status;

    /// <summary>What its clocks showed when it was cancelled; null where it was not, or the customer has none of the id.</summary>
    public DateTimeOffset? CancellationOf(string subscriptionId) =>
        Subscriptions.GetValueOrDefault(subscriptionId) is { CancelledAt: { } at } its ? BillingCalendar.Shown(at, ZoneOf(its)) : null;

    /// <param name="subscriptionId">empty for all of the customer's</param>
    public DateTimeOffset Beginning(DateTimeOffset at, string subscriptionId = "") => Shown(at, subscriptionId).Min();

    /// <param name="subscriptionId">empty for all of the customer's</param>
    public DateTimeOffset Ending(DateTimeOffset at, string subscriptionId) => Shown(at, subscriptionId).Max();

    /// <summary>When the first of all of them shows it.</summary>
    public DateTimeOffset FirstMoment(DateTimeOffset shown) => Zones("").Min(zone => BillingCalendar.MomentOf(shown, zone));

    private IEnumerable<DateTimeOffset> Shown(DateTimeOffset at, string subscriptionId) => Zones(subscriptionId).Select(zone => BillingCalendar.Shown(at, zone));

    private IEnumerable<string> Zones(string subscriptionId) =>
        Subscriptions.TryGetValue(subscriptionId, out var its) ? [ZoneOf(its)] : Subscriptions.Values.Select(ZoneOf).Append(TimeZone.Length == 0 ? Utc : TimeZone).Distinct();

    private static string ZoneOf(SubscriptionState.Known subscription) => subscription.Anchor?.TimeZone ?? Utc;
}
