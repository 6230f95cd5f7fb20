namespace Billing.Accounts;

/// <summary>Ends a commitment or a discount: periods that start at Until or later do without it. The end may be moved, and a commitment's not into another one of the subscription.</summary>
/// <param name="Until">by the customer's clocks; null is LocalAt; what is over by then is over already</param>
/// <param name="LocalAt">what the customer's clocks show at At</param>
public sealed record EndAgreement(string AgreementId, DateTimeOffset? Until, DateTimeOffset At, DateTimeOffset LocalAt);

public static class EndAgreementDecision
{
    public static Decision<AccountEvent> Decide(EndAgreement c, AccountState state)
    {
        var agreed = state.Commitments.Select(x => (Id: x.CommitmentId, x.Until)).Concat(state.Discounts.Select(x => (Id: x.DiscountId, x.Until))).FirstOrDefault(x => x.Id == c.AgreementId);
        if (agreed.Id is null) return Decision.Refuse("agreement_unknown", $"the account has no commitment or discount {c.AgreementId}; GetAccount lists them");
        var end = state.EndOf(agreed.Id, agreed.Until);
        if (c.Until is null ? end <= c.LocalAt : end == c.Until) return Decision.NoChange;
        if (c.Until > end && state.Commitments.FirstOrDefault(x => x.CommitmentId == c.AgreementId) is { } commitment && AccountRefusals.OfOverlap(commitment, c.Until, state) is { } overlap) return overlap;
        return Decision.Accept<AccountEvent>(new AgreementEnded(c.AgreementId, c.Until ?? c.LocalAt, c.At));
    }
}
