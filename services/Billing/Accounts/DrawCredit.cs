namespace Billing.Accounts;

/// <summary>Takes from the account what a final invoice used. Committed with the invoice, on the version that it was rated by: no credit is used twice.</summary>
public sealed record DrawCredit(string InvoiceId, ValueList<CreditDraw> Draws, DateTimeOffset At);

/// <summary>Puts back what a voided invoice had used.</summary>
public sealed record ReturnCredit(string InvoiceId, DateTimeOffset At);

public static class DrawCreditDecision
{
    public static Decision<AccountEvent> Decide(DrawCredit c, AccountState state)
    {
        if (c.Draws.Count == 0 || state.Drawn.Any(d => d.InvoiceId == c.InvoiceId)) return Decision.NoChange;
        foreach (var draws in c.Draws.GroupBy(d => d.GrantId))
            if (state.Credit.FirstOrDefault(g => g.GrantId == draws.Key) is not { } grant || grant.Left < draws.Sum(d => grant.IsMoney ? d.AmountMicros.Value : d.Tokens))
                return Decision.Refuse("credit_too_low", $"{draws.Key} has less left than the invoice uses: rate it again");
        return Decision.Accept<AccountEvent>(new CreditDrawn(c.InvoiceId, c.Draws, c.At));
    }

    public static Decision<AccountEvent> Decide(ReturnCredit c, AccountState state) => state.Drawn.Any(d => d.InvoiceId == c.InvoiceId)
        ? Decision.Accept<AccountEvent>(new CreditReturned(c.InvoiceId, c.At))
        : Decision.NoChange;
}
