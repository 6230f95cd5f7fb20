using Billing.Subscriptions;

namespace Billing.Accounts;

/// <summary>Agrees on a minimum for every period of a subscription that starts in [From, Until).</summary>
/// <param name="From">by the customer's clocks, as Until; null is from LocalAt on; of what was agreed already, whenever that was</param>
/// <param name="LocalAt">what the customer's clocks show at At</param>
/// <param name="Subscription">how the subscription stands; null where the customer has none of the id</param>
public sealed record AgreeCommitment(
    string CommitmentId, string SubscriptionId, Micros AmountMicros, Currency Currency, DateTimeOffset? From, DateTimeOffset? Until, DateTimeOffset At, DateTimeOffset LocalAt,
    SubscriptionStatus? Subscription);

public static class AgreeCommitmentDecision
{
    public static Decision<AccountEvent> Decide(AgreeCommitment c, AccountState state)
    {
        var from = c.From ?? c.LocalAt;
        var agreed = new CommitmentAgreed(c.CommitmentId, c.SubscriptionId, c.AmountMicros, from, c.Until, c.At);
        if (state.Commitments.FirstOrDefault(x => x.CommitmentId == c.CommitmentId) is { } earlier)
            return earlier with { At = c.At, From = c.From is null ? from : earlier.From, By = null } == agreed ? Decision.NoChange : AccountRefusals.Exists("commitment");
        if (c.Subscription is not { } status) return AccountRefusals.NotTheirs(c.SubscriptionId);
        if (status == SubscriptionStatus.Cancelled) return Decision.Refuse("subscription_cancelled", $"{c.SubscriptionId} was cancelled: no period of it starts any more that would cost the minimum");
        if (AccountRefusals.OfAmount(c.AmountMicros, c.Currency) is { } refusal) return refusal;
        if (AccountRefusals.OfSpan(from, c.Until) is { } span) return span;
        return AccountRefusals.OfOverlap(agreed, c.Until, state) is { } overlap ? overlap : Decision.Accept<AccountEvent>(agreed);
    }
}

internal static class AccountRefusals
{
    public const int NameLengthMax = 100;

    public static Refusal Exists(string what) => Decision.Refuse($"{what}_exists", $"a {what} with this id exists with other content; take another id");

    public static Refusal NotTheirs(string subscriptionId) =>
        Decision.Refuse("subscription_unknown", $"the customer has no subscription {subscriptionId}, so nothing would ever come of it: ListSubscriptions lists those it has");

    public static Refusal? OfAmount(Micros amount, Currency currency) => amount > Micros.Zero && amount.Value % currency.MinorUnit.Value == 0
        ? null
        : Decision.Refuse("amount_invalid", $"an amount is above zero and a whole number of minor units of {currency}, which are {currency.MinorUnit.Value} micros each");

    public static Refusal? OfSpan(DateTimeOffset from, DateTimeOffset? until) => until is { } end && end <= from
        ? Decision.Refuse("time_span_invalid", $"it would end at {end:O}, not after its start at {from:O}")
        : null;

    /// <param name="until">when it would end</param>
    public static Refusal? OfOverlap(CommitmentAgreed commitment, DateTimeOffset? until, AccountState state) => state.Commitments.Any(x =>
        x.CommitmentId != commitment.CommitmentId && x.SubscriptionId == commitment.SubscriptionId
        // One that was ended before it began is in nobody's way.
        && (state.EndOf(x.CommitmentId, x.Until) is not { } end || (commitment.From < end && x.From < end)) && (until is not { } last || x.From < last))
        ? Decision.Refuse("commitment_overlaps", "the subscription has another commitment in that time: end that one with EndAgreement first")
        : null;

    public static Refusal? OfName(string name) => name.Length is > 0 and <= NameLengthMax
        ? null
        : Decision.Refuse("name_invalid", $"a name has 1 to {NameLengthMax} characters: it is printed on the invoice");

    public static Refusal? OfExpiry(DateTimeOffset? expiresAt, DateTimeOffset at) => expiresAt is { } expires && expires <= at
        ? Decision.Refuse("time_span_invalid", $"credit that expires at {expires:O} could never be used: it is {at:O}")
        : null;
}
