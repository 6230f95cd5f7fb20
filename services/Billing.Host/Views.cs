using Billing.Customers;
using Billing.Invoices;
using Billing.Periods;
using Billing.Subscriptions;
using JasperFx.Events;
using Marten;
using Marten.Events.Aggregation;
using Marten.Events.Projections;

namespace Billing.Host;

/// <summary>A subscription as it stands, for lists and for finding what is due. Written with its events.</summary>
/// <param name="NextDueAt">when a trial or a pause ends, a period turns or something scheduled happens; null when it is over</param>
public sealed record SubscriptionView(
    string Id, string CustomerId, string MenuId, string PlanId, string Status, DateTimeOffset? NextDueAt, SubscriptionState.Known State)
{
    public static SubscriptionView Fold(SubscriptionView? view, string id, SubscriptionEvent e)
    {
        var state = (SubscriptionState.Known)SubscriptionState.Evolve(view?.State ?? SubscriptionState.Initial, e);
        return new(id, state.CustomerId, state.MenuId, state.PlanId, SubscriptionSnapshot.NameOf(state.Status), state.NextDueAt, state);
    }
}

public sealed partial class SubscriptionViewProjection : SingleStreamProjection<SubscriptionView, string>
{
    public SubscriptionViewProjection()
    {
        IncludeType<SubscriptionStarted>();
        IncludeType<SubscriptionPeriodTurned>();
        IncludeType<SubscriptionActivated>();
        IncludeType<SubscriptionPlanChanged>();
        IncludeType<SubscriptionPlanChangeScheduled>();
        IncludeType<SubscriptionCancellationScheduled>();
        IncludeType<SubscriptionScheduleWithdrawn>();
        IncludeType<SubscriptionCancelled>();
        IncludeType<SubscriptionPaused>();
        IncludeType<SubscriptionPauseScheduled>();
        IncludeType<SubscriptionPauseWithdrawn>();
        IncludeType<SubscriptionResumed>();
    }

    public override SubscriptionView? Evolve(SubscriptionView? snapshot, string id, IEvent e) =>
        e.Data is SubscriptionEvent event_ ? SubscriptionView.Fold(snapshot, id, event_) : snapshot;
}

/// <summary>A customer as it stands, for lists. Written with its events; never the details.</summary>
public sealed record CustomerView(string Id, CustomerState.Known State)
{
    public static CustomerView Fold(CustomerView? view, string id, CustomerEvent e) =>
        new(id, (CustomerState.Known)CustomerState.Evolve(view?.State ?? CustomerState.Initial, e));
}

public sealed partial class CustomerViewProjection : SingleStreamProjection<CustomerView, string>
{
    public CustomerViewProjection()
    {
        IncludeType<CustomerCreated>();
        IncludeType<CustomerDetailsRecorded>();
        IncludeType<CustomerTaxSet>();
        IncludeType<CustomerTimeZoneSet>();
        IncludeType<CustomerErased>();
    }

    public override CustomerView? Evolve(CustomerView? snapshot, string id, IEvent e) =>
        e.Data is CustomerEvent event_ ? CustomerView.Fold(snapshot, id, event_) : snapshot;
}

/// <summary>Follows periods by the daemon: where reading a busy one begins. It may be behind, for whoever reads folds what came after it.</summary>
public sealed partial class PeriodViewProjection : SingleStreamProjection<PeriodView, string>
{
    public PeriodViewProjection()
    {
        IncludeType<PeriodOpened>();
        IncludeType<PeriodPlanChanged>();
        IncludeType<PeriodPlanEnded>();
        IncludeType<UsageApplied>();
        IncludeType<LateUsageAdded>();
        IncludeType<PeriodClosed>();
        IncludeType<LateUsageCarried>();
    }

    public override PeriodView? Evolve(PeriodView? snapshot, string id, IEvent e) =>
        e.Data is PeriodEvent event_ ? PeriodView.Fold(snapshot, id, event_) : snapshot;
}

/// <summary>An open period, to be closed when its end and grace have passed.</summary>
public sealed record PeriodToClose(string Id, string SubscriptionId, int Number, DateTimeOffset End, string PreviousPeriodId);

/// <summary>A closed period whose invoice is not final yet.</summary>
public sealed record PeriodToInvoice(string Id, DateTimeOffset ClosedAt);

/// <summary>Keeps the two work lists of closing in step with the events, in their transactions: what was not done stays on its list through any crash.</summary>
public sealed partial class PeriodWork : EventProjection
{
    public static void Project(IEvent<PeriodOpened> e, IDocumentOperations operations) =>
        operations.Store(new PeriodToClose(e.StreamKey!, e.Data.SubscriptionId, e.Data.Number, e.Data.End, e.Data.PreviousPeriodId));

    public static void Project(IEvent<PeriodClosed> e, IDocumentOperations operations)
    {
        operations.Delete<PeriodToClose>(e.StreamKey!);
        operations.Store(new PeriodToInvoice(e.StreamKey!, e.Data.At));
    }

    public static void Project(IEvent<InvoiceFinalized> e, IDocumentOperations operations) => operations.Delete<PeriodToInvoice>(e.Data.PeriodId);
}
