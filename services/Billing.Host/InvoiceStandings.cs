using Billing.Dunning;
using Billing.Invoices;
using Billing.Sellers;
using JasperFx.Events;
using Marten;
using Marten.Events.Aggregation;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>What was demanded by an invoice, what was credited and paid, and whether it is overdue. Written with its events.</summary>
/// <param name="Status">finalized, overdue, paid, uncollectible or void</param>
/// <param name="Terms">they come right before the invoice, in one commit: alone they are nothing to show</param>
/// <param name="State">what the sums are folded from; null until the invoice is final</param>
/// <param name="DunningState">current, overdue, in_dunning, on_hold, resolved or exhausted</param>
/// <param name="DunningDueAt">when its next step or its final action is due; null when nothing comes, or not yet again</param>
public sealed record InvoiceStandingView(
    string Id, string CustomerId, string SubscriptionId, string Status, DateTimeOffset? DueAt, InvoiceTermsCut? Terms, InvoiceState.Finalized? State, string DunningState = "",
    DateTimeOffset? DunningDueAt = null)
{
    public static InvoiceStandingView Fold(InvoiceStandingView? view, string id, InvoiceEvent e)
    {
        var before = view switch { { State: { } s } => s, { Terms: { } t } => new InvoiceState.Cut(t), _ => InvoiceState.Initial };
        return InvoiceState.Evolve(before, e) switch
        {
            InvoiceState.Finalized f => Of(id, f, f.Status),
            InvoiceState.Voided v => Of(id, v.Was, v.Status) with { DunningState = v.Was.SettledDunning.Name() },
            InvoiceState.Cut c => new(id, "", "", "", c.Terms.DueAt, c.Terms, null),
            var other => throw new System.Diagnostics.UnreachableException($"{e.GetType().Name} left {id} as {other.GetType().Name}"),
        };
    }

    private static InvoiceStandingView Of(string id, InvoiceState.Finalized f, string status) =>
        new(id, f.Invoice.CustomerId, f.Invoice.SubscriptionId, status, f.Terms?.DueAt, f.Terms, f, f.DunningStatus.Name(), f.Dunning?.NextAt);
}

public sealed partial class InvoiceStandingProjection : SingleStreamProjection<InvoiceStandingView, string>
{
    public InvoiceStandingProjection()
    {
        IncludeType<InvoiceTermsCut>();
        IncludeType<InvoiceFinalized>();
        IncludeType<InvoiceVoided>();
        IncludeType<CreditNoteIssued>();
        IncludeType<PaymentRecorded>();
        IncludeType<RefundRecorded>();
        IncludeType<InvoiceFellOverdue>();
        IncludeType<PaymentFailed>();
        IncludeType<InvoiceWrittenOff>();
        IncludeType<DunningStarted>();
        IncludeType<DunningStepTaken>();
        IncludeType<DunningExhausted>();
        IncludeType<DunningHeld>();
        IncludeType<DunningReleased>();
    }

    public override InvoiceStandingView? Evolve(InvoiceStandingView? snapshot, string id, IEvent e) =>
        e.Data is InvoiceEvent event_ ? InvoiceStandingView.Fold(snapshot, id, event_) : snapshot;
}

/// <summary>Notes invoices that were not settled when they fell due, on the business clock.</summary>
public sealed class OverdueInvoices(IDocumentStore store, EventStreams streams, DueItems items, IOptions<BillingOptions> options, ILogger<OverdueInvoices> log) : IDueWork
{
    public async Task RunAsync(DateTimeOffset now, CancellationToken ct)
    {
        var overdue = await items.Run<string>("overdue", id => id, async after =>
        {
            await using var session = store.QuerySession();
            return await session.Query<InvoiceStandingView>().Where(i => i.Status == "finalized" && i.DueAt <= now && i.Id.CompareTo(after) > 0).OrderBy(i => i.Id).Select(i => i.Id)
                .Take(options.Value.PeriodBatchMax).ToListAsync(ct);
        }, async due =>
        {
            var schedule = (await streams.Load<SellerState, SellerEvent>(SellerState.StreamId, SellerState.Initial, SellerState.Evolve, ct)).Dunning;
            var changed = 0;
            foreach (var id in due)
                changed += (await streams.Transact<InvoiceState, InvoiceEvent>(id, InvoiceState.Initial, InvoiceState.Evolve, s => MarkOverdueDecision.Decide(new(now, schedule), s), ct)).OrThrow().Events.OfType<InvoiceFellOverdue>().Count();
            return changed;
        });
        if (overdue > 0) log.LogInformation("{Count} invoices fell overdue by {At:O}", overdue, now);
    }
}
