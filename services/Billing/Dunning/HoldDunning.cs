using Billing.Invoices;

namespace Billing.Dunning;

/// <summary>Keeps an invoice from being dunned, for a dispute say, whether it is late already or not.</summary>
public sealed record HoldDunning(string Reason, DateTimeOffset At);

public static class HoldDunningDecision
{
    public static Decision<InvoiceEvent> Decide(HoldDunning c, InvoiceState state) => state switch
    {
        InvoiceState.Voided => Decision.Refuse("invoice_void", "nobody is asked to pay a void invoice"),
        InvoiceState.Finalized { Hold: { } hold } => hold.Reason == c.Reason
            ? Decision.NoChange
            : Decision.Refuse("dunning_held", FormattableString.Invariant($"it is on hold since {hold.At:yyyy-MM-dd} ({hold.Reason}): release it first")),
        InvoiceState.Finalized when string.IsNullOrWhiteSpace(c.Reason) => Decision.Refuse("reason_missing", "say why the invoice is not dunned: an auditor will ask"),
        InvoiceState.Finalized { OutstandingMicros.Value: <= 0 } => Decision.Refuse("nothing_to_dun", "nothing is left to pay"),
        InvoiceState.Finalized { Dunning.ExhaustedAt: not null } => Decision.Refuse("dunning_exhausted", "every step was taken, and the final action: nothing is left to hold"),
        InvoiceState.Finalized => Decision.Accept<InvoiceEvent>(new DunningHeld(c.Reason, c.At)),
        _ => InvoiceRefusals.NotFinal,
    };
}
