using System.Security.Cryptography;
using Billing.Menus;
using Billing.Periods;

namespace Billing.Invoices;

/// <summary>Makes the invoice of a closed period final under a number that nothing else has.</summary>
public sealed record FinalizeInvoice(PeriodState Period, IReadOnlyDictionary<string, MenuTerms> Menus, string Number, DateTimeOffset At);

public static class FinalizeInvoiceDecision
{
    public static Decision<InvoiceEvent> Decide(FinalizeInvoice c, InvoiceState state)
    {
        if (state is InvoiceState.Finalized) return Decision.NoChange;
        if (c.Period is not PeriodState.Closed closed) return Decision.Refuse("period_not_closed", "an invoice is finalized when its period is closed");
        // A cancelled subscription has one period more than it needs, in case usage comes late.
        if (closed.Facts.IsEmpty) return Decision.NoChange;
        var document = InvoiceDocument.Finalized(closed.Facts, c.Menus, c.Number, c.At);
        return Decision.Accept<InvoiceEvent>(new InvoiceFinalized(
            c.Number, closed.Facts.PeriodId, closed.Facts.SubscriptionId, closed.Facts.CustomerId, document.Currency, document.Rated.TotalMicros,
            Convert.ToHexStringLower(SHA256.HashData(document.ToUtf8())), c.At));
    }
}
