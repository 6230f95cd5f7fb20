namespace Billing.Invoices;

/// <summary>Notes that an invoice was not settled when it fell due. Once: what is paid later is paid late.</summary>
public sealed record MarkOverdue(DateTimeOffset At);

public static class MarkOverdueDecision
{
    public static Decision<InvoiceEvent> Decide(MarkOverdue c, InvoiceState state) => state switch
    {
        InvoiceState.Finalized { OverdueSince: null, OutstandingMicros.Value: > 0, Terms: { } terms } s when terms.DueAt <= c.At =>
            Decision.Accept<InvoiceEvent>(new InvoiceFellOverdue(s.OutstandingMicros, c.At)),
        _ => Decision.NoChange,
    };
}
