namespace Verifier;

/// <summary>Which invoice demands what one event applied to a period, and how many tokens of the period by kind come to it: the order in the stream decides.</summary>
/// <param name="InvoicePeriodId">the period whose invoice it is; null while the period is open, or what came late is not carried</param>
internal sealed record PeriodInvoices(string? InvoicePeriodId, bool IsLate, IReadOnlyDictionary<string, long> Tokens)
{
    /// <param name="events">of its stream</param>
    public static PeriodInvoices Of(ProofEvent applied, IEnumerable<ProofEvent> events)
    {
        var stream = events.OrderBy(e => e.Version).ToArray();
        if (stream.FirstOrDefault(e => e.Type == "period_closed") is not { } closed) return new(null, false, new Dictionary<string, long>());
        if (applied.Version < closed.Version) return new(applied.Stream, false, Sums(stream, 0, closed.Version));
        var through = closed.Version;
        var carried = stream.Where(e => e.Type == "late_usage_carried").Select(e => (Into: e.Data(d => d.Text("intoPeriodId")), Through: e.Data(d => d.Whole("throughVersion")))).ToArray();
        if (carried.FirstOrDefault(c => c.Through >= applied.Version).Into is not { } into) return new(null, true, new Dictionary<string, long>());
        var tokens = new Dictionary<string, long>();
        foreach (var (to, last) in carried)
        {
            if (to == into)
                foreach (var (kind, some) in Sums(stream, through, last)) tokens[kind] = tokens.GetValueOrDefault(kind) + some;
            through = last;
        }
        return new(into, true, tokens);
    }

    private static Dictionary<string, long> Sums(IEnumerable<ProofEvent> stream, long after, long through)
    {
        var sums = new Dictionary<string, long>();
        foreach (var e in stream.Where(e => e.Type == "usage_applied" && e.Version > after && e.Version <= through))
            foreach (var (_, kind, tokens) in e.Usage!.Lines) sums[kind] = sums.GetValueOrDefault(kind) + tokens;
        return sums;
    }
}
