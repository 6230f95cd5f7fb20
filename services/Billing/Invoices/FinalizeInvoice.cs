using System.Security.Cryptography;
using Billing.Accounts;
using Billing.Periods;
using Billing.Rating;

namespace Billing.Invoices;

/// <summary>Makes the invoice of a closed period final under a number that nothing else has.</summary>
/// <param name="Terms">as they stand: the invoice names their versions</param>
public sealed record FinalizeInvoice(PeriodState Period, RatingTerms Terms, string Number, DateTimeOffset At)
{
    /// <summary>Ids of closed periods that are still to be invoiced.</summary>
    public IReadOnlySet<string> ToInvoice { get; init; } = new HashSet<string>();
}

public static class FinalizeInvoiceDecision
{
    public static Decision<InvoiceEvent> Decide(FinalizeInvoice c, InvoiceState state)
    {
        if (state is not InvoiceState.None) return Decision.NoChange;
        if (c.Period is not PeriodState.Closed closed) return Decision.Refuse("period_not_closed", "an invoice is finalized when its period is closed");
        // A cancelled subscription has one period more than it needs, in case usage comes late.
        if (closed.Facts.IsEmpty) return Decision.NoChange;
        // Late usage is the difference to what its own period's invoice demands, by what is agreed when that becomes final.
        if (closed.Facts.Adjustments.FirstOrDefault(a => c.ToInvoice.Contains(a.FromPeriodId) && !c.Terms.Earlier[a.FromPeriodId].IsEmpty) is { } late)
            return Decision.Refuse("earlier_invoice_not_final", $"late usage of {late.FromPeriodId} is on it, which is the difference to what that period's own invoice demands: finalize that one first");
        var cut = new InvoiceTermsCut(
            AccountIds.Of(closed.Facts.CustomerId), c.Terms.Account.Version, c.Terms.Seller.Version, DueAt(c.At, c.Terms.Seller.PaymentTermsDays), c.At, c.Terms.Identity?.Version,
            RatingVersions.Latest,
            c.Terms.EarlierAccounts.Count == 0 ? null : c.Terms.EarlierAccounts.OrderBy(e => e.Key, StringComparer.Ordinal)
                .Select(e => new EarlierTerms(e.Key, e.Value.Version, c.Terms.VoidedPeriods.Contains(e.Key) ? true : null)).ToValueList());
        var document = InvoiceDocument.Finalized(closed.Facts, c.Terms, c.Number, cut);
        return Decision.Accept<InvoiceEvent>(cut, new InvoiceFinalized(
            c.Number, closed.Facts.PeriodId, closed.Facts.SubscriptionId, closed.Facts.CustomerId, document.Currency, document.Rated.TotalMicros,
            Convert.ToHexStringLower(SHA256.HashData(document.ToUtf8())), c.At));
    }

    /// <summary>What is paid on the day that is printed is paid in time, whenever the invoice became final on its own day.</summary>
    private static DateTimeOffset DueAt(DateTimeOffset at, int days) => new(at.UtcDateTime.Date.AddDays(days + 1), TimeSpan.Zero);
}
