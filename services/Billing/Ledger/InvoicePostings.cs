using System.Diagnostics;
using Billing.Invoices;
using Billing.Rating;

namespace Billing.Ledger;

/// <summary>
/// The entries of one invoice. Its revenue is earned while it is served, and demanded when the invoice is final: the difference is the invoice's contract position,
/// unbilled revenue while more is earned than demanded, deferred revenue while it is less. A void invoice takes back everything on its day.
/// </summary>
/// <param name="events">of the invoice, in order; those that are known</param>
/// <param name="invoiced">from its document</param>
public sealed class InvoicePostings(IReadOnlyList<RecordedEvent<InvoiceEvent>> events, InvoicedAmounts invoiced)
{
    private readonly InvoiceFinalized _final = events.Select(e => e.Event).OfType<InvoiceFinalized>().Single();
    private readonly DateTimeOffset _voidedAt = events.Select(e => e.Event).OfType<InvoiceVoided>().SingleOrDefault()?.At ?? DateTimeOffset.MaxValue;

    private readonly Dictionary<long, Recovery> _recovered = RecoveredBy(events);

    /// <summary>What a payment or a credit note took back of what was written off.</summary>
    private readonly record struct Recovery(Micros Amount, DateTimeOffset WrittenOffAt);

    /// <summary>
    /// Those that count for a span of time. Recognition is an entry for each calendar month (UTC) that the span meets, so that what stood before a span and
    /// its entries always add up to what stands after it.
    /// </summary>
    public IEnumerable<JournalEntry> Entries(Period window) => events.Select(Posted).Concat(events.Select(RecoveredLater)).OfType<JournalEntry>().Where(e => window.Contains(e.At)).Concat(Recognized(window)).Where(e => e.Lines.Count > 0);

    private JournalEntry? Posted(RecordedEvent<InvoiceEvent> e) => e.Event switch
    {
        InvoiceFinalized f => Entry(e, "invoice_finalized", f.At, f.At, _final.Number,
            [new(LedgerAccount.Receivables, invoiced.NetMicros + invoiced.TaxMicros), .. Tax(-1), .. Moved(-invoiced.EarnedBefore(f.At), invoiced.NetMicros - invoiced.EarnedBefore(f.At))]),
        InvoiceVoided v => Entry(e, "invoice_voided", v.At, v.At, $"{_final.Number}: {v.Reason}",
            [new(LedgerAccount.Receivables, -(invoiced.NetMicros + invoiced.TaxMicros)), .. Tax(1), .. Moved(invoiced.NetMicros - invoiced.EarnedBefore(v.At), Micros.Zero), .. Earned(DateTimeOffset.MinValue, v.At, 1)]),
        CreditNoteIssued c => Entry(e, "credit_note_issued", c.At, c.At, $"{c.Number} for {_final.Number}: {c.Reason}",
            [
                new(LedgerAccount.CreditNotes, Micros.Sum(c.Parts.Select(p => p.NetMicros))), .. c.Parts.Select(p => new JournalLine(LedgerAccount.TaxPayable, p.TaxMicros, p.Description)),
                .. Settled(e, c.TotalMicros, c.At),
            ]),
        PaymentRecorded p => Entry(e, "payment_recorded", p.PaidAt, p.At, $"{_final.Number}: {p.Provider} {p.Reference}", [new(LedgerAccount.Cash, p.AmountMicros), .. Settled(e, p.AmountMicros, p.PaidAt)]),
        RefundRecorded r => Entry(e, "refund_recorded", r.RefundedAt, r.At, $"{_final.Number}: {r.Provider} {r.Reference}", [new(LedgerAccount.Cash, -r.AmountMicros), new(LedgerAccount.Receivables, r.AmountMicros)]),
        InvoiceWrittenOff w => Entry(e, "invoice_written_off", w.At, w.At, $"{_final.Number}: {w.Reason}", [new(LedgerAccount.BadDebt, w.AmountMicros), new(LedgerAccount.Receivables, -w.AmountMicros)]),
        InvoiceTermsCut or InvoiceFellOverdue or DunningStarted or DunningStepTaken or DunningExhausted or DunningHeld or DunningReleased or PaymentFailed => null,
        _ => throw new UnreachableException($"{e.Event.GetType().Name} has no place in the ledger"),
    };

    /// <summary>What was written off is taken back first; the rest lowers what is demanded.</summary>
    private JournalLine[] Settled(RecordedEvent<InvoiceEvent> e, Micros amount, DateTimeOffset at)
    {
        var (recovered, writtenOffAt) = _recovered[e.Version];
        if (at < writtenOffAt) return [new(LedgerAccount.Receivables, -amount)];
        return [new(LedgerAccount.BadDebt, -recovered), new(LedgerAccount.Receivables, recovered - amount)];
    }

    /// <summary>
    /// A payment or a credit note that is dated before the write-off, and was heard of after it, lowers what was demanded then. Bad debt is taken back on the day that it was posted, and not before.
    /// </summary>
    private JournalEntry? RecoveredLater(RecordedEvent<InvoiceEvent> e) => e.Event switch
    {
        PaymentRecorded p => RecoveredLater(e, p.PaidAt, p.At, $"{_final.Number}: {p.Provider} {p.Reference}"),
        // Issued by a clock that was behind the one that wrote off.
        CreditNoteIssued c => RecoveredLater(e, c.At, c.At, $"{c.Number} for {_final.Number}: {c.Reason}"),
        _ => null,
    };

    private JournalEntry? RecoveredLater(RecordedEvent<InvoiceEvent> e, DateTimeOffset at, DateTimeOffset postedAt, string text)
    {
        var (recovered, writtenOffAt) = _recovered[e.Version];
        return at >= writtenOffAt ? null : Entry(
            Ids.Derive(JournalEntry.IdPrefix, writtenOffAt, e.StreamId, $"{e.Version}", JournalEntry.BadDebtRecovered), e.Sequence, JournalEntry.BadDebtRecovered, writtenOffAt,
            postedAt < writtenOffAt ? writtenOffAt : postedAt, text, [new(LedgerAccount.Receivables, recovered), new(LedgerAccount.BadDebt, -recovered)]);
    }

    /// <summary>By the version of each payment's and credit note's event.</summary>
    private static Dictionary<long, Recovery> RecoveredBy(IReadOnlyList<RecordedEvent<InvoiceEvent>> events)
    {
        var (state, recovered, writtenOffAt) = (InvoiceState.Initial, new Dictionary<long, Recovery>(), DateTimeOffset.MinValue);
        foreach (var e in events)
        {
            var before = state;
            state = InvoiceState.Evolve(state, e.Event);
            if (e.Event is InvoiceWrittenOff w) writtenOffAt = w.At;
            if (e.Event is not (PaymentRecorded or CreditNoteIssued)) continue;
            var amount = ((InvoiceState.Finalized)before).WrittenOffMicros - ((InvoiceState.Finalized)state).WrittenOffMicros;
            recovered[e.Version] = new(amount, amount > Micros.Zero ? writtenOffAt : DateTimeOffset.MinValue);
        }
        return recovered;
    }

    private IEnumerable<JournalEntry> Recognized(Period window)
    {
        var start = invoiced.Served.Start > window.Start ? invoiced.Served.Start : window.Start;
        var end = new[] { invoiced.Served.End, _voidedAt, window.End }.Min();
        if (start >= end) yield break;
        DateTimeOffset[] cuts = [start, .. Months(start, end).Append(_final.At).Where(at => at > start && at < end).Distinct().Order(), end];
        var known = events.Single(e => e.Event == _final);
        foreach (var (from, to) in cuts.Zip(cuts.Skip(1)))
        {
            var demanded = from >= _final.At ? invoiced.NetMicros : Micros.Zero;
            // It counts for the last moment of its time: a month's revenue is in that month.
            yield return Entry(
                Ids.Derive(JournalEntry.IdPrefix, to, known.StreamId, JournalEntry.RevenueRecognized, $"{from.UtcDateTime:O}", $"{to.UtcDateTime:O}"), known.Sequence, JournalEntry.RevenueRecognized, to.AddTicks(-1), _final.At,
                $"{_final.Number}: {InvoiceRating.Day(from)} to {InvoiceRating.Day(to.AddTicks(-1))}", [.. Moved(demanded - invoiced.EarnedBefore(from), demanded - invoiced.EarnedBefore(to)), .. Earned(from, to, -1)]);
        }
    }

    private static IEnumerable<DateTimeOffset> Months(DateTimeOffset start, DateTimeOffset end)
    {
        for (var at = new DateTimeOffset(start.UtcDateTime.Year, start.UtcDateTime.Month, 1, 0, 0, 0, TimeSpan.Zero); at < end; at = at.AddMonths(1)) yield return at;
    }

    /// <summary>The contract position goes from one amount to another: above zero the customer is owed service, below zero we are owed an invoice.</summary>
    private static JournalLine[] Moved(Micros from, Micros to) =>
    [
        new(LedgerAccount.DeferredRevenue, new(Math.Max(from.Value, 0) - Math.Max(to.Value, 0))),
        new(LedgerAccount.Unbilled, new(Math.Min(from.Value, 0) - Math.Min(to.Value, 0))),
    ];

    private IEnumerable<JournalLine> Earned(DateTimeOffset from, DateTimeOffset to, int sign) => invoiced.Revenue.GroupBy(r => r.Account)
        .Select(g => new JournalLine(g.Key, Micros.Sum(g.Select(r => r.EarnedBefore(to) - r.EarnedBefore(from))) * sign));

    private IEnumerable<JournalLine> Tax(int sign) => invoiced.Tax.Select(t => new JournalLine(LedgerAccount.TaxPayable, t.AmountMicros * sign, t.Description));

    private JournalEntry Entry(RecordedEvent<InvoiceEvent> e, string kind, DateTimeOffset at, DateTimeOffset postedAt, string text, IEnumerable<JournalLine> lines) =>
        Entry(JournalEntry.IdOf(e.StreamId, e.Version, postedAt), e.Sequence, kind, at, postedAt, text, lines);

    private JournalEntry Entry(string id, long sequence, string kind, DateTimeOffset at, DateTimeOffset postedAt, string text, IEnumerable<JournalLine> lines) =>
        new(id, kind, at, postedAt, sequence, _final.CustomerId, events[0].StreamId, text, _final.Currency, JournalEntry.Balanced(lines));
}
