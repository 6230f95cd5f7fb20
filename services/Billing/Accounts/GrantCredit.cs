namespace Billing.Accounts;

/// <summary>Gives a customer money to pay invoices with, in whole minor units of the customer's currency.</summary>
public sealed record GrantMoneyCredit(string GrantId, string Name, Micros AmountMicros, Currency Currency, int Priority, DateTimeOffset? ExpiresAt, DateTimeOffset At);

/// <summary>Gives a customer tokens beyond the cap, paid for in advance.</summary>
public sealed record GrantTokenCredit(string GrantId, string Name, long Tokens, ValueList<TokenKind> Kinds, int Priority, DateTimeOffset? ExpiresAt, DateTimeOffset At);

public static class GrantCreditDecision
{
    public static Decision<AccountEvent> Decide(GrantMoneyCredit c, AccountState state)
    {
        if (Earlier(state, c.GrantId) is { } earlier)
            return earlier with { At = c.At, Left = earlier.Granted } == new CreditGrant(c.GrantId, c.Name, [], c.AmountMicros.Value, c.AmountMicros.Value, c.Priority, c.ExpiresAt, c.At)
                ? Decision.NoChange
                : AccountRefusals.Exists("grant");
        if (AccountRefusals.OfName(c.Name) is { } name) return name;
        if (AccountRefusals.OfAmount(c.AmountMicros, c.Currency) is { } amount) return amount;
        return AccountRefusals.OfExpiry(c.ExpiresAt, c.At) is { } span
            ? span
            : Decision.Accept<AccountEvent>(new MoneyCreditGranted(c.GrantId, c.Name, c.AmountMicros, c.Priority, c.ExpiresAt, c.At));
    }

    public static Decision<AccountEvent> Decide(GrantTokenCredit c, AccountState state)
    {
        if (Earlier(state, c.GrantId) is { } earlier)
            return earlier with { At = c.At, Left = earlier.Granted } == new CreditGrant(c.GrantId, c.Name, c.Kinds, c.Tokens, c.Tokens, c.Priority, c.ExpiresAt, c.At)
                ? Decision.NoChange
                : AccountRefusals.Exists("grant");
        if (AccountRefusals.OfName(c.Name) is { } name) return name;
        if (c.Tokens <= 0) return Decision.Refuse("amount_invalid", "a grant has at least one token");
        if (c.Kinds.Count == 0 || c.Kinds.Contains(TokenKind.Overrun) || c.Kinds.Distinct().Count() != c.Kinds.Count)
            return Decision.Refuse("kinds_invalid", "say once each which kinds of tokens the grant covers, such as output and reasoning; overrun is never billed");
        return AccountRefusals.OfExpiry(c.ExpiresAt, c.At) is { } span
            ? span
            : Decision.Accept<AccountEvent>(new TokenCreditGranted(c.GrantId, c.Name, c.Tokens, c.Kinds, c.Priority, c.ExpiresAt, c.At));
    }

    private static CreditGrant? Earlier(AccountState state, string grantId) => state.Credit.FirstOrDefault(g => g.GrantId == grantId);
}
