namespace Billing.Ledger;

/// <summary>How an invoice stands in the ledger: what explains the receivables, the unbilled and the deferred revenue, one by one.</summary>
/// <param name="RecognizedMicros">earned so far, before credit notes</param>
public sealed record ContractPosition(string InvoiceId, string CustomerId, Currency Currency, Micros RecognizedMicros, Micros UnbilledMicros, Micros DeferredMicros, Micros ReceivableMicros)
{
    /// <summary>Nothing of it is left on an account of the balance sheet.</summary>
    public bool IsSettled => (UnbilledMicros, DeferredMicros, ReceivableMicros) == default;

    public ContractPosition With(JournalEntry entry) => this with
    {
        RecognizedMicros = RecognizedMicros - Of(entry, LedgerAccount.SubscriptionRevenue) - Of(entry, LedgerAccount.UsageRevenue),
        UnbilledMicros = UnbilledMicros + Of(entry, LedgerAccount.Unbilled),
        DeferredMicros = DeferredMicros - Of(entry, LedgerAccount.DeferredRevenue),
        ReceivableMicros = ReceivableMicros + Of(entry, LedgerAccount.Receivables),
    };

    private static Micros Of(JournalEntry entry, LedgerAccount account) => Micros.Sum(entry.Lines.Where(l => l.Account == account).Select(l => l.AmountMicros));
}

/// <summary>The sum of entries by invoice.</summary>
public sealed class ContractPositions
{
    private readonly SortedDictionary<string, ContractPosition> _positions = new(StringComparer.Ordinal);

    public static ContractPositions Of(IEnumerable<JournalEntry> entries)
    {
        var positions = new ContractPositions();
        foreach (var entry in entries) positions.Add(entry);
        return positions;
    }

    public void Add(JournalEntry entry)
    {
        if (entry.InvoiceId.Length == 0) return;
        _positions[entry.InvoiceId] = (_positions.GetValueOrDefault(entry.InvoiceId) ?? new(entry.InvoiceId, entry.CustomerId, entry.Currency, default, default, default, default)).With(entry);
    }

    /// <summary>By invoice.</summary>
    public IReadOnlyCollection<ContractPosition> All => _positions.Values;
}
