namespace Billing.Ledger;

/// <param name="DebitMicros">sum of all debits</param>
/// <param name="CreditMicros">sum of all credits</param>
public sealed record LedgerBalance(Currency Currency, LedgerAccount Account, Micros DebitMicros, Micros CreditMicros)
{
    /// <summary>Above zero on the debit side.</summary>
    public Micros BalanceMicros => DebitMicros - CreditMicros;
}

/// <summary>The sum of entries, by currency and account. In each currency debits and credits are equal, always.</summary>
public sealed class TrialBalance
{
    private readonly Dictionary<(string Currency, string Account), LedgerBalance> _balances = [];

    /// <summary>By currency, then by code.</summary>
    public IEnumerable<LedgerBalance> Balances => _balances.Values.OrderBy(b => b.Currency.Code, StringComparer.Ordinal).ThenBy(b => b.Account.Code, StringComparer.Ordinal);

    public static TrialBalance Of(IEnumerable<JournalEntry> entries)
    {
        var balance = new TrialBalance();
        foreach (var entry in entries) balance.Add(entry);
        return balance;
    }

    public void Add(JournalEntry entry)
    {
        foreach (var line in entry.Lines)
        {
            var key = (entry.Currency.Code, line.Account.Code);
            var before = _balances.GetValueOrDefault(key) ?? new(entry.Currency, line.Account, Micros.Zero, Micros.Zero);
            _balances[key] = before with { DebitMicros = before.DebitMicros + line.DebitMicros, CreditMicros = before.CreditMicros + line.CreditMicros };
        }
    }

    /// <summary>Of one account, debits less credits.</summary>
    public Micros this[Currency currency, LedgerAccount account] => _balances.GetValueOrDefault((currency.Code, account.Code))?.BalanceMicros ?? Micros.Zero;
}
