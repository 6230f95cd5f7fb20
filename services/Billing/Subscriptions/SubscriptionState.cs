using System.Diagnostics;
using System.Globalization;

namespace Billing.Subscriptions;

public abstract record SubscriptionState
{
    public sealed record None : SubscriptionState;

    /// <param name="Version">how many events the subscription has: what makes one snapshot newer than another</param>
    public sealed record Active(
        string CustomerId, string MenuId, string PlanId, DateTimeOffset Anchor, int CurrentPeriod, DateTimeOffset ChangedAt, long Version) : SubscriptionState
    {
        public Period Span(int number) => Period.Monthly(Anchor, number);
    }

    public static SubscriptionState Initial { get; } = new None();

    public static SubscriptionState Evolve(SubscriptionState state, SubscriptionEvent e) => (state, e) switch
    {
        (None, SubscriptionStarted s) => new Active(s.CustomerId, s.MenuId, s.PlanId, s.At, 0, s.At, 1),
        (Active a, SubscriptionPeriodTurned t) when t.Number == a.CurrentPeriod + 1 =>
            a with { CurrentPeriod = t.Number, ChangedAt = t.At, Version = a.Version + 1 },
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}

/// <summary>Period ids are derived, so that opening a period twice collides, and so that any service's period can be traced to its subscription.</summary>
public static class PeriodIds
{
    public static string Of(string subscriptionId, int number, DateTimeOffset start) =>
        Ids.Derive(Ids.Period, start, subscriptionId, number.ToString(CultureInfo.InvariantCulture));
}
