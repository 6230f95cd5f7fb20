using System.Diagnostics;
using Billing.Invoices;
using Billing.Ledger;

namespace Billing.Statements;

/// <summary>What one invoice adds to a customer's statement.</summary>
/// <param name="Lines">in the order of its events; their balances are nobody's yet</param>
/// <param name="LastDay">on which it is to be paid; null where it never falls due</param>
internal sealed record InvoiceAccount(Currency Currency, DateOnly? LastDay, IReadOnlyList<StatementLine> Lines)
{
    /// <param name="events">of a final invoice</param>
    public static InvoiceAccount Of(IReadOnlyList<RecordedEvent<InvoiceEvent>> events)
    {
        var (state, lines, writtenOffAt) = (InvoiceState.Initial, new List<StatementLine>(), DateTimeOffset.MinValue);
        foreach (var e in events)
        {
            var before = state as InvoiceState.Finalized;
            state = InvoiceState.Evolve(state, e.Event);
            var after = Final(state);
            if (e.Event is InvoiceWrittenOff w) writtenOffAt = w.At;
            foreach (var (kind, at, text, amount) in Changes(e.Event, before, after, writtenOffAt))
                lines.Add(new(at, e.Sequence, kind, e.StreamId, after!.Invoice.Number, text, amount, Micros.Zero));
        }
        var final = Final(state) ?? throw new UnreachableException($"{events[0].StreamId} is not final");
        return new(final.Invoice.Currency, final.Terms?.LastDay, lines);
    }

    /// <summary>Right before a moment.</summary>
    public Micros Owed(DateTimeOffset before) => Micros.Sum(Lines.Where(l => l.At < before).Select(l => l.AmountMicros));

    /// <summary>Days, by UTC, from the last one to pay on to the one that a moment ends or is in. Zero or below while it is not late. An invoice that is older than due dates never is.</summary>
    public int DaysLate(DateTimeOffset at) => LastDay is { } last ? DateOnly.FromDateTime(new(Math.Max(at.UtcTicks - 1, 0))).DayNumber - last.DayNumber : 0;

    private static InvoiceState.Finalized? Final(InvoiceState state) => state as InvoiceState.Finalized ?? (state as InvoiceState.Voided)?.Was;

    private static IEnumerable<(string Kind, DateTimeOffset At, string Text, Micros Amount)> Changes(InvoiceEvent e, InvoiceState.Finalized? before, InvoiceState.Finalized? after, DateTimeOffset writtenOffAt)
    {
        var recovered = before is null || e is InvoiceWrittenOff ? Micros.Zero : before.WrittenOffMicros - after!.WrittenOffMicros;
        (string Kind, DateTimeOffset At, string Text, Micros Amount)? change = e switch
        {
            InvoiceFinalized f => ("invoice", f.At, "", f.TotalMicros),
            InvoiceVoided v => ("void", v.At, v.Reason, -before!.OutstandingMicros),
            CreditNoteIssued c => ("credit_note", c.At, $"{c.Number}: {c.Reason}", -c.TotalMicros),
            PaymentRecorded p => ("payment", p.PaidAt, $"{p.Provider} {p.Reference}", -p.AmountMicros),
            RefundRecorded r => ("refund", r.RefundedAt, $"{r.Provider} {r.Reference}", r.AmountMicros),
            InvoiceWrittenOff w => ("write_off", w.At, w.Reason, -w.AmountMicros),
            _ => null,
        };
        if (change is not { } c2) yield break;
        yield return c2;
        // Of a payment that came before the write-off, and was heard of after it: there was nothing to take back before that.
        if (recovered > Micros.Zero) yield return ("recovery", c2.At > writtenOffAt ? c2.At : writtenOffAt, "written off before", recovered);
    }
}
