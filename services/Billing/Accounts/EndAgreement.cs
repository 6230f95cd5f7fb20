namespace Billing.Accounts;

/// <summary>Ends a commitment or a discount: periods that start at Until or later do without it.</summary>
public sealed record EndAgreement(string AgreementId, DateTimeOffset Until, DateTimeOffset At);

public static class EndAgreementDecision
{
    public static Decision<AccountEvent> Decide(EndAgreement c, AccountState state)
    {
        var agreed = state.Commitments.Select(x => (Id: x.CommitmentId, x.Until)).Concat(state.Discounts.Select(x => (Id: x.DiscountId, x.Until))).FirstOrDefault(x => x.Id == c.AgreementId);
        if (agreed.Id is null) return Decision.Refuse("agreement_unknown", $"the account has no commitment or discount {c.AgreementId}; GetAccount lists them");
        if (state.EndOf(agreed.Id, agreed.Until) == c.Until) return Decision.NoChange;
        return Decision.Accept<AccountEvent>(new AgreementEnded(c.AgreementId, c.Until, c.At));
    }
}
