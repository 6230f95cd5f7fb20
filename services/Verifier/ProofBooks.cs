namespace Verifier;

/// <summary>The events of a proof, found by what is asked of them. Many rows are of one period: what is worked out of it for one of them is kept for the others.</summary>
internal sealed class ProofBooks
{
    private readonly Dictionary<string, List<ProofEvent>> _streams = [];
    private readonly Dictionary<(string Period, long Shard, long Report), ProofEvent> _applied = [];
    private readonly Dictionary<ProofEvent, PeriodInvoices> _invoices = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(string InvoiceId, string Period, bool Late), IReadOnlyDictionary<string, long>> _tokens = [];

    /// <returns>false if it applies a report to a period that another one here applied to it: the first one counts</returns>
    public bool Add(ProofEvent e)
    {
        if (!_streams.TryGetValue(e.Stream, out var stream)) _streams[e.Stream] = stream = [];
        stream.Add(e);
        return e.Usage is not { } usage || _applied.TryAdd((e.Stream, usage.Shard, usage.Report), e);
    }

    public IReadOnlyList<ProofEvent> Of(string stream) => _streams.GetValueOrDefault(stream, []);

    /// <summary>The event that brought this report to the period; null without one.</summary>
    public ProofEvent? Applied(string period, long shard, long report) => _applied.GetValueOrDefault((period, shard, report));

    public PeriodInvoices InvoicesOf(ProofEvent applied) => _invoices.TryGetValue(applied, out var known) ? known : _invoices[applied] = PeriodInvoices.Of(applied, Of(applied.Stream));

    /// <summary>Tokens by kind on the lines of an invoice.</summary>
    public IReadOnlyDictionary<string, long> Tokens(ProofInvoice invoice, string period, bool late) =>
        _tokens.TryGetValue((invoice.InvoiceId, period, late), out var known) ? known : _tokens[(invoice.InvoiceId, period, late)] = invoice.Tokens(period, late);
}
