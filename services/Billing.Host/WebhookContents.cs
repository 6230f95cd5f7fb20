using Billing.Audit;
using Billing.Invoices;
using Billing.Subscriptions;
using Billing.Webhooks;
using JasperFx.Events;
using Marten;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>What is sent of an event: made from the log whenever it is sent, the same each time.</summary>
public sealed class WebhookContents(IDocumentStore store, IOptions<WebhookOptions> options)
{
    /// <returns>null when there is no such event, or nobody is told of it</returns>
    public async Task<(string Id, byte[] Body)?> Of(long sequence, CancellationToken ct)
    {
        await using var session = store.QuerySession();
        if (await session.Events.QueryAllRawEvents().FirstOrDefaultAsync(e => e.Sequence == sequence, ct) is not { } e || !WebhookTypes.Announced.ContainsKey(e.Data.GetType())) return null;
        // Up to the event: what came after it is told by itself.
        var history = await session.Events.FetchStreamAsync(e.StreamKey!, version: e.Version, token: ct);
        object state = e.Data switch
        {
            InvoiceEvent => EventStreams.Fold<InvoiceState, InvoiceEvent>(history, InvoiceState.Initial, InvoiceState.Evolve),
            SubscriptionEvent => EventStreams.Fold<SubscriptionState, SubscriptionEvent>(history, SubscriptionState.Initial, SubscriptionState.Evolve),
            _ => EventStreams.Fold<WebhookState, WebhookEvent>(history, WebhookState.Initial, WebhookState.Evolve),
        };
        var id = Ids.Format(WebhookState.EventIdPrefix, e.Id);
        return (id, WebhookBody.Of(new(id, e.StreamKey!, e.Sequence, e.Data, BusinessTimes.Of(e.Data)), options.Value.Source, state));
    }
}
