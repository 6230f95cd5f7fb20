using Billing.Dunning;

namespace Billing.Invoices;

/// <summary>Notes that an invoice was not settled when it fell due. Once: what is paid later is paid late.</summary>
/// <param name="Schedule">by which it is dunned from its due date on; null for not at all</param>
public sealed record MarkOverdue(DateTimeOffset At, DunningSchedule? Schedule = null);

public static class MarkOverdueDecision
{
    public static Decision<InvoiceEvent> Decide(MarkOverdue c, InvoiceState state) => state switch
    {
        InvoiceState.Finalized { OverdueSince: null, OutstandingMicros.Value: > 0, Terms: { } terms } s when terms.DueAt <= c.At =>
            Decision.Accept<InvoiceEvent>([new InvoiceFellOverdue(s.OutstandingMicros, c.At), .. c.Schedule is null ? [] : new InvoiceEvent[] { new DunningStarted(c.Schedule, UnpaidSince(s, terms.DueAt), c.At) }]),
        _ => Decision.NoChange,
    };

    /// <summary>What was paid in time, and charged back long after it fell due, is asked for from then on: time in which nothing was left to pay does not count.</summary>
    private static DateTimeOffset UnpaidSince(InvoiceState.Finalized invoice, DateTimeOffset due) => invoice.Refunds.Select(r => r.At).Append(due).Max();
}
