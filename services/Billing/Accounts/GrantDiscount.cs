using Billing.Rating;
using Billing.Subscriptions;

namespace Billing.Accounts;

/// <summary>Grants a percentage or an amount off every period that starts in [From, Until).</summary>
/// <param name="From">by the customer's clocks, as Until; null is from LocalAt on; of what was granted already, whenever that was</param>
/// <param name="LocalAt">what the customer's clocks show at At</param>
/// <param name="Subscription">how the subscription stands that it is for; null where the customer has none of the id, and where it is for all</param>
/// <param name="CancelledAt">what the subscription's clocks showed when it was cancelled; null where it was not</param>
public sealed record GrantDiscount(
    string DiscountId, string SubscriptionId, string Name, DiscountScope Scope, Percent? Off, Micros? OffMicros, Currency Currency, DateTimeOffset? From, DateTimeOffset? Until,
    DateTimeOffset At, DateTimeOffset LocalAt, SubscriptionStatus? Subscription, DateTimeOffset? CancelledAt = null);

public static class GrantDiscountDecision
{
    public static Decision<AccountEvent> Decide(GrantDiscount c, AccountState state)
    {
        var from = c.From ?? c.LocalAt;
        var granted = new DiscountGranted(c.DiscountId, c.SubscriptionId, c.Name, c.Scope, c.Off, c.OffMicros, from, c.Until, c.At);
        if (state.Discounts.FirstOrDefault(x => x.DiscountId == c.DiscountId) is { } earlier)
            return earlier with { At = c.At, From = c.From is null ? from : earlier.From, By = null } == granted ? Decision.NoChange : AccountRefusals.Exists("discount");
        if (c.SubscriptionId.Length > 0 && c.Subscription is null) return AccountRefusals.NotTheirs(c.SubscriptionId);
        if (c.CancelledAt <= from)
            return Decision.Refuse("subscription_cancelled", $"{c.SubscriptionId} was cancelled at {c.CancelledAt:u}: no period of it starts at {from:u} or later that would cost less; name an earlier start for those that are not invoiced yet");
        if (AccountRefusals.OfName(c.Name) is { } name) return name;
        if (c.Off is null == c.OffMicros is null) return Decision.Refuse("discount_invalid", "a discount is either a percentage or an amount");
        if (c.Off is { Value: 0 }) return Decision.Refuse("discount_invalid", "0 % off is no discount");
        if (c.OffMicros is { } off && AccountRefusals.OfAmount(off, c.Currency) is { } refusal) return refusal;
        return AccountRefusals.OfSpan(from, c.Until) is { } span ? span : Decision.Accept<AccountEvent>(granted);
    }
}
