using Billing.Customers;
using Billing.Menus;

namespace Billing.Subscriptions;

/// <summary>Starts a subscription to a plan of a menu that is on sale, now.</summary>
/// <param name="AnchorDay">day of the month on which periods turn; 0 is the day of the start where a time zone is known, else the instant of the start</param>
/// <param name="TimeZone">IANA; empty is the customer's</param>
/// <param name="TrialDays">0 is no trial</param>
/// <param name="PaidUntil">instead of trial days, the first day that costs something here, for what before it was paid elsewhere: no fee until it begins by the time zone's clocks (UTC without one)</param>
public sealed record Subscribe(
    string CustomerId, string MenuId, string PlanId, CustomerState Customer, MenuState Menu, DateTimeOffset At, int AnchorDay = 0, string TimeZone = "", int TrialDays = 0, DateOnly? PaidUntil = null);

public static class SubscribeDecision
{
    public const int TrialDaysMax = 366;

    public static Decision<SubscriptionEvent> Decide(Subscribe c, SubscriptionState state) => (state, c.Customer, c.Menu) switch
    {
        // Compared with what it was started with: it may have changed since, and a retry still means the start.
        (SubscriptionState.Known k, _, _) when k.CustomerId == c.CustomerId && k.Plans[0] == c.PlanId => Otherwise(c, k) is { } started
            ? Decision.Refuse("subscription_exists", $"a subscription with this id exists, and {started}; take another id")
            : Decision.NoChange,
        (SubscriptionState.Known, _, _) => Decision.Refuse("subscription_exists", "a subscription with this id exists for another customer or plan; take another id"),
        (_, CustomerState.None, _) => Decision.Refuse("customer_unknown", $"there is no customer {c.CustomerId}: create it first"),
        (_, CustomerState.Known { ErasedAt: not null }, _) => Decision.Refuse("customer_erased", $"the details of {c.CustomerId} were erased: create a new customer"),
        (_, _, MenuState.WithdrawnUnread w) => w.Withdrawal.Refuse(c.MenuId),
        (_, _, MenuState.Received { Withdrawal: { } w }) => w.Refuse(c.MenuId),
        (_, _, MenuState.None) => Decision.Refuse("menu_unknown", $"billing has not received {c.MenuId}: publish it, and try again in a moment"),
        (_, _, MenuState.Received m) when m.Terms.Plan(c.PlanId) is null =>
            Decision.Refuse("plan_unknown", $"{c.PlanId} is not on {c.MenuId}; its plans are {string.Join(", ", m.Terms.Plans.Select(p => p.PlanId))}"),
        (_, CustomerState.Known k, MenuState.Received m) when k.Currency != m.Terms.Currency =>
            Decision.Refuse("currency_mismatch", $"the customer is billed in {k.Currency} and the menu is priced in {m.Terms.Currency}: publish a menu in {k.Currency}"),
        _ when c.AnchorDay is < 0 or > 31 => Decision.Refuse("anchor_out_of_range", "a billing anchor is a day of the month from 1 to 31, or 0 for the day of the start"),
        _ when c.TrialDays is < 0 or > TrialDaysMax => Decision.Refuse("trial_out_of_range", $"a trial lasts from 1 to {TrialDaysMax} days; 0 is none"),
        _ when ZoneOf(c) is { Length: > 0 } zone && !BillingCalendar.Knows(zone) =>
            Decision.Refuse("time_zone_unknown", $"'{zone}' is not an IANA time zone known here, such as Europe/Berlin or UTC"),
        _ when c.PaidUntil is not null && c.TrialDays > 0 => Decision.Refuse("paid_until_invalid", "it has trial days and a day until which it is paid: say one of them"),
        _ when TrialEnd(c, c.At, ZoneOf(c)) is { } end && (end <= c.At || end > c.At.AddDays(TrialDaysMax)) =>
            Decision.Refuse("paid_until_invalid", FormattableString.Invariant($"what is paid until {c.PaidUntil:yyyy-MM-dd} is paid to a day that begins after now, {c.At:O}, and at most {TrialDaysMax} days after it")),
        _ => Decision.Accept<SubscriptionEvent>(new SubscriptionStarted(c.CustomerId, c.MenuId, c.PlanId, c.At, CalendarOf(c), TrialEnd(c, c.At, ZoneOf(c)))),
    };

    /// <summary>How it was started otherwise than it is asked for again; null when it was not. Where nothing was asked for, it was the day of the start by the zone of that day.</summary>
    private static string? Otherwise(Subscribe c, SubscriptionState.Known k)
    {
        if (c.TimeZone.Length > 0 && c.TimeZone != k.Anchor?.TimeZone) return $"its periods turn in {k.Anchor?.TimeZone ?? "UTC"}";
        var asked = c.AnchorDay > 0 ? c.AnchorDay : k.Anchor is { } a ? TimeZoneInfo.ConvertTimeBySystemTimeZoneId(k.StartedAt, a.TimeZone).Day : 0;
        if (asked != (k.Anchor?.DayOfMonth ?? 0)) return k.Anchor is { } anchor ? $"its periods turn on day {anchor.DayOfMonth} of the month" : "its periods are months from the instant of its start";
        var trialEnd = TrialEnd(c, k.StartedAt, k.Anchor?.TimeZone ?? "");
        var started = k.StartedTrialEnd ?? k.TrialEnd;
        return started == trialEnd ? null : started is { } end ? FormattableString.Invariant($"its trial ends {end.UtcDateTime:yyyy-MM-dd HH:mm:ss}") : "it has no trial";
    }

    private static DateTimeOffset? TrialEnd(Subscribe c, DateTimeOffset startedAt, string zone) =>
        c.PaidUntil is { } day ? BillingCalendar.StartOf(day, zone.Length > 0 ? zone : "UTC")
        : c.TrialDays > 0 ? startedAt.AddDays(c.TrialDays)
        : null;

    private static string ZoneOf(Subscribe c) => c.TimeZone.Length > 0 ? c.TimeZone : c.Customer is CustomerState.Known k ? k.TimeZone : "";

    private static StartedCalendar? CalendarOf(Subscribe c)
    {
        var zone = ZoneOf(c);
        if (zone.Length == 0 && c.AnchorDay == 0) return null;
        if (zone.Length == 0) zone = "UTC";
        var day = c.AnchorDay > 0 ? c.AnchorDay : TimeZoneInfo.ConvertTimeBySystemTimeZoneId(c.At, zone).Day;
        var anchor = new BillingAnchor(day, zone);
        return new(anchor, BillingCalendar.FullStart(c.At, anchor), BillingCalendar.StartOf(1, c.At, anchor), BillingCalendar.StartOf(2, c.At, anchor));
    }
}
