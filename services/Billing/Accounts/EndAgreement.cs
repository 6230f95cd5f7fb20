namespace Billing.Accounts;

/// <summary>
/// Ends a commitment or a discount: periods that start at Until or later do without it. The end may be moved, and a commitment's not into another one of the subscription.
/// Of a grant of credit it takes back what is left, or lets it expire before its time.
/// </summary>
/// <param name="Until">by the customer's clocks; null is LocalAt; what is over by then is over already. Of a grant a moment, as its expiry is; null is at once</param>
/// <param name="LocalAt">what the customer's clocks show at At</param>
public sealed record EndAgreement(string AgreementId, DateTimeOffset? Until, DateTimeOffset At, DateTimeOffset LocalAt);

public static class EndAgreementDecision
{
    public static Decision<AccountEvent> Decide(EndAgreement c, AccountState state)
    {
        var agreed = state.Commitments.Select(x => (Id: x.CommitmentId, x.Until)).Concat(state.Discounts.Select(x => (Id: x.DiscountId, x.Until))).FirstOrDefault(x => x.Id == c.AgreementId);
        if (state.Credit.FirstOrDefault(g => g.GrantId == c.AgreementId) is { } grant) return Decide(c, grant, state);
        if (agreed.Id is null) return Decision.Refuse("agreement_unknown", $"the account has no commitment, discount or grant {c.AgreementId}; GetAccount lists them");
        var end = state.EndOf(agreed.Id, agreed.Until);
        if (c.Until is null ? end <= c.LocalAt : end == c.Until) return Decision.NoChange;
        if (c.Until > end && state.Commitments.FirstOrDefault(x => x.CommitmentId == c.AgreementId) is { } commitment && AccountRefusals.OfOverlap(commitment, c.Until, state) is { } overlap) return overlap;
        return Decision.Accept<AccountEvent>(new AgreementEnded(c.AgreementId, c.Until ?? c.LocalAt, c.At));
    }

    private static Decision<AccountEvent> Decide(EndAgreement c, CreditGrant grant, AccountState state)
    {
        var expiry = state.ExpiryOf(grant);
        if (c.Until is not { } until) return state.IsTakenBack(grant.GrantId) ? Decision.NoChange : Decision.Accept<AccountEvent>(new AgreementEnded(grant.GrantId, c.At, c.At));
        if (until == expiry) return Decision.NoChange;
        if (until < c.At) return Decision.Refuse("time_span_invalid", $"until {c.At:O} it could be used: name a later time, or none to take back at once what is left of it");
        return until > expiry
            ? Decision.Refuse("time_span_invalid", $"it ends at {expiry:O} and is not made longer: grant anew what is to be used after that")
            : Decision.Accept<AccountEvent>(new AgreementEnded(grant.GrantId, until, c.At));
    }
}
