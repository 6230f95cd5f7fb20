using Billing.Invoices;

namespace Billing.Dunning;

/// <summary>Ends a hold. What was still to come comes later by the time that it was held.</summary>
public sealed record ReleaseDunning(DateTimeOffset At);

public static class ReleaseDunningDecision
{
    public static Decision<InvoiceEvent> Decide(ReleaseDunning c, InvoiceState state) => state switch
    {
        InvoiceState.Finalized { Hold: not null } => Decision.Accept<InvoiceEvent>(new DunningReleased(c.At)),
        InvoiceState.Finalized or InvoiceState.Voided => Decision.NoChange,
        _ => InvoiceRefusals.NotFinal,
    };
}
