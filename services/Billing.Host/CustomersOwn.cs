using Billing.Invoices;
using Contracts.Billing.V1;
using Marten;

namespace Billing.Host;

/// <summary>What a customer's key sees of billing: himself, his subscriptions and his invoices. What is somebody else's does not exist for him.</summary>
public sealed class CustomersOwn(IDocumentStore store) : ICustomerBoundary
{
    public Task CheckAsync(string customerId, string caller, object request, CancellationToken ct) => request switch
    {
        GetCustomerRequest r => Himself(customerId, r.CustomerId),
        GetStatementRequest r => Himself(customerId, r.CustomerId),
        GetAccountRequest r => Himself(customerId, r.CustomerId),
        GetSubscriptionRequest r => MustOwnSubscription(customerId, r.SubscriptionId, ct),
        PreviewChangeRequest r => MustOwnSubscription(customerId, SubscriptionOf(r), ct),
        ListSubscriptionsRequest r => Himself(customerId, r.CustomerId = OrOwn(r.CustomerId, customerId)),
        ListInvoiceStandingsRequest r => Himself(customerId, r.CustomerId = OrOwn(r.CustomerId, customerId)),
        ListInvoicesRequest r => r.SubscriptionId.Length > 0
            ? MustOwnSubscription(customerId, r.SubscriptionId, ct)
            : throw new FormatException("subscription_id is missing: a customer's key lists the invoices of one subscription at a time"),
        GetInvoiceRequest r => MustOwnInvoice(customerId, r.PeriodId.Length > 0 ? InvoiceIds.Of(Period(r.PeriodId)) : r.InvoiceId, ct),
        GetInvoiceStandingRequest r => MustOwnInvoice(customerId, r.InvoiceId, ct),
        GetInvoiceDocumentRequest r => r.CreditNoteId.Length > 0 ? MustOwnCreditNote(customerId, r.CreditNoteId, ct) : MustOwnInvoice(customerId, r.InvoiceId, ct),
        GetCreditNoteRequest r => MustOwnCreditNote(customerId, r.CreditNoteId, ct),
        // The seller's terms are everybody's.
        GetMenuTermsRequest or GetSellerRequest => Task.CompletedTask,
        _ => throw ICustomerBoundary.NotForCustomers(request),
    };

    private static string OrOwn(string asked, string customerId) => asked.Length == 0 ? customerId : asked;

    private static string Period(string id)
    {
        Ids.Parse(Ids.Period, id);
        return id;
    }

    private static string SubscriptionOf(PreviewChangeRequest request) => request.ChangeCase switch
    {
        PreviewChangeRequest.ChangeOneofCase.Plan => request.Plan.SubscriptionId,
        PreviewChangeRequest.ChangeOneofCase.Migration => request.Migration.SubscriptionId,
        PreviewChangeRequest.ChangeOneofCase.Cancellation => request.Cancellation.SubscriptionId,
        PreviewChangeRequest.ChangeOneofCase.Activation => request.Activation.SubscriptionId,
        PreviewChangeRequest.ChangeOneofCase.Pause => request.Pause.SubscriptionId,
        PreviewChangeRequest.ChangeOneofCase.Resumption => request.Resumption.SubscriptionId,
        _ => throw ICustomerBoundary.NotForCustomers(request),
    };

    /// <summary>As its own first event says it.</summary>
    private static async Task<string?> SubscriptionOf(IQuerySession session, string periodId, CancellationToken ct) =>
        (await session.AdvancedSql.QueryAsync<string>("select data ->> 'subscriptionId' from billing.mt_events where stream_id = ? and version = 1", ct, periodId)) is [var id] ? id : null;

    private static Task Himself(string customerId, string asked)
    {
        Ids.Parse(Ids.Customer, asked);
        return asked == customerId ? Task.CompletedTask : throw new Refusal("customer_unknown", $"there is no customer {asked}: check the id").AsException();
    }

    private async Task MustOwnSubscription(string customerId, string subscriptionId, CancellationToken ct)
    {
        Ids.Parse(Ids.Subscription, subscriptionId);
        await using var session = store.QuerySession();
        if ((await session.LoadAsync<SubscriptionView>(subscriptionId, ct))?.CustomerId != customerId)
            throw new Refusal("subscription_unknown", $"there is no subscription {subscriptionId}: check the id").AsException();
    }

    private async Task MustOwnInvoice(string customerId, string invoiceId, CancellationToken ct)
    {
        Ids.Parse(Ids.Invoice, invoiceId);
        if (!await OwnsInvoice(customerId, invoiceId, ct)) throw new Refusal("invoice_unknown", $"there is no invoice {invoiceId}: check the id").AsException();
    }

    private async Task MustOwnCreditNote(string customerId, string creditNoteId, CancellationToken ct)
    {
        Ids.Parse(InvoiceIds.CreditNote, creditNoteId);
        await using var session = store.QuerySession();
        if (await session.LoadAsync<StoredCreditNote>(creditNoteId, ct) is not { } note || !await OwnsInvoice(customerId, note.InvoiceId, ct))
            throw new Refusal("credit_note_unknown", $"there is no credit note {creditNoteId}: check the id").AsException();
    }

    private async Task<bool> OwnsInvoice(string customerId, string invoiceId, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        var subscriptionId = (await session.LoadAsync<StoredInvoice>(invoiceId, ct))?.SubscriptionId
            ?? (await PeriodsWithDrafts.IdOf(session, invoiceId, ct) is { } periodId ? await SubscriptionOf(session, periodId, ct) : null);
        return subscriptionId is not null && (await session.LoadAsync<SubscriptionView>(subscriptionId, ct))?.CustomerId == customerId;
    }
}
