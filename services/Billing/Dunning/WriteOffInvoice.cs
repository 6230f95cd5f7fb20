using Billing.Invoices;

namespace Billing.Dunning;

/// <summary>Gives up what is left to pay. The customer still owes it: what comes in after all is taken back from the loss.</summary>
public sealed record WriteOffInvoice(string Reason, DateTimeOffset At);

public static class WriteOffInvoiceDecision
{
    public static Decision<InvoiceEvent> Decide(WriteOffInvoice c, InvoiceState state) => state switch
    {
        InvoiceState.Voided => Decision.Refuse("invoice_void", "a void invoice demands nothing that could be written off"),
        InvoiceState.Finalized { Status: "uncollectible" } => Decision.NoChange,
        InvoiceState.Finalized { OutstandingMicros.Value: <= 0 } => Decision.Refuse("nothing_to_write_off", "nothing is left to pay"),
        InvoiceState.Finalized when string.IsNullOrWhiteSpace(c.Reason) => Decision.Refuse("reason_missing", "say why it is written off: an auditor will ask"),
        InvoiceState.Finalized s => Decision.Accept<InvoiceEvent>(new InvoiceWrittenOff(s.OutstandingMicros, c.Reason, c.At)),
        _ => InvoiceRefusals.NotFinal,
    };
}
