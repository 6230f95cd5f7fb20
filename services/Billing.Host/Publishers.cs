using Billing.Dunning;
using Billing.Invoices;
using Billing.Menus;
using Billing.Subscriptions;
using Contracts.Messages;
using JasperFx.Events;
using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Marten;
using Marten.Events.Daemon;
using Marten.Events.Daemon.Internals;
using Marten.Subscriptions;
using MassTransit;
using InvoiceFinalizedEvent = Billing.Invoices.InvoiceFinalized;
using InvoiceFinalizedMessage = Contracts.Messages.InvoiceFinalized;
using InvoiceFellOverdueEvent = Billing.Invoices.InvoiceFellOverdue;
using InvoiceFellOverdueMessage = Contracts.Messages.InvoiceFellOverdue;
using InvoiceVoidedEvent = Billing.Invoices.InvoiceVoided;
using InvoiceVoidedMessage = Contracts.Messages.InvoiceVoided;

namespace Billing.Host;

/// <summary>
/// Tells usage of every subscription that changed, from the committed log: the event store is the outbox. While the broker is away, or
/// usage has not declared its queue yet, it waits and tries again; it never skips, and other shards of the daemon go on.
/// </summary>
public sealed class SubscriptionPublisher : SubscriptionBase
{
    internal const string ShardName = "subscription-publisher";
    private readonly IBusControl _bus;
    private readonly ILogger<SubscriptionPublisher> _log;

    // The store is built with its subscriptions, so none of them can ask for the store.
    public SubscriptionPublisher(IBusControl bus, ILogger<SubscriptionPublisher> log)
    {
        (_bus, _log) = (bus, log);
        Name = ShardName;
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

    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        // The state may be ahead of the event by now: a snapshot with a higher version says everything that the lower one did.
        var last = page.Events.GroupBy(e => e.StreamKey!).Select(g => g.Last()).ToArray();
        var streams = await StoredStreams.ReadAsync(operations, last.Select(e => e.StreamKey!), cancellationToken);
        var known = last.ToDictionary(e => e.StreamKey!, e => (SubscriptionState.Known)streams.Subscription(e.StreamKey!));
        var menus = await StoredStreams.ReadAsync(operations, known.Values.Select(k => k.MenuId), cancellationToken);
        await Outbox.UntilPublished("SubscriptionChanged", last, e =>
        {
            var subscription = known[e.StreamKey!];
            var menu = ((MenuState.Received)menus.Menu(subscription.MenuId)).Terms;
            return _bus.PublishConfirmed(Message(SubscriptionSnapshot.Of(e.StreamKey!, subscription, menu)), e.Id, mandatory: true, cancellationToken);
        }, _log, cancellationToken);
        return NullChangeListener.Instance;
    }

    public static SubscriptionChanged Message(SubscriptionSnapshot s) => new(
        s.SubscriptionId, s.Version, s.CustomerId, s.Status, s.MenuId, s.PlanId,
        [.. s.Caps.Select(c => new PublishedCap(c.Window.Name(), c.Tokens, [.. c.Counts.Select(k => k.Name())], c.Enforcement.Name()))],
        [.. s.Models], Span(s.CurrentPeriod), Span(s.NextPeriod), s.ChangedAt);

    private static SubscriptionPeriod Span(PeriodSpan p) => new(p.PeriodId, p.Number, p.Start, p.End);
}

/// <summary>Tells whoever listens what became of invoices, from the committed log. Nobody must.</summary>
public sealed class InvoicePublisher : SubscriptionBase
{
    internal const string ShardName = "invoice-publisher";
    private readonly IBusControl _bus;
    private readonly ILogger<InvoicePublisher> _log;

    public InvoicePublisher(IBusControl bus, ILogger<InvoicePublisher> log)
    {
        (_bus, _log) = (bus, log);
        Name = ShardName;
        IncludeType<InvoiceFinalizedEvent>();
        IncludeType<InvoiceVoidedEvent>();
        IncludeType<PaymentRecorded>();
        IncludeType<InvoiceFellOverdueEvent>();
        IncludeType<DunningStepTaken>();
        IncludeType<DunningExhausted>();
    }

    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        // What an invoice is never changes once it is final, so it does not matter that its stream may be ahead of the event.
        var streams = await StoredStreams.ReadAsync(operations, page.Events.Select(e => e.StreamKey!).Distinct(), cancellationToken);
        await Outbox.UntilPublished("an invoice's news", page.Events, e => Publish(e, Final(streams.Invoice(e.StreamKey!)), cancellationToken), _log, cancellationToken);
        return NullChangeListener.Instance;
    }

    private static InvoiceState.Finalized Final(InvoiceState state) => state as InvoiceState.Finalized ?? ((InvoiceState.Voided)state).Was;

    private Task Publish(IEvent e, InvoiceState.Finalized invoice, CancellationToken ct)
    {
        var (id, i) = (e.StreamKey!, invoice.Invoice);
        return e.Data switch
        {
            InvoiceFinalizedEvent f => Send(new InvoiceFinalizedMessage(id, f.Number, f.CustomerId, f.SubscriptionId, f.PeriodId, f.Currency.Code, f.TotalMicros.Value, f.DocumentSha256, f.At)),
            InvoiceVoidedEvent v => Send(new InvoiceVoidedMessage(id, i.Number, i.CustomerId, v.Reason, v.At)),
            PaymentRecorded p => Send(new InvoicePaymentRecorded(id, i.Number, i.CustomerId, i.Currency.Code, p.Provider, p.Reference, p.AmountMicros.Value, p.PaidAt, p.At)),
            InvoiceFellOverdueEvent o => Send(new InvoiceFellOverdueMessage(id, i.Number, i.CustomerId, i.Currency.Code, o.OutstandingMicros.Value, invoice.Terms?.DueAt, o.At)),
            DunningStepTaken t => Send(new InvoiceCollectionDue(
                id, i.Number, i.CustomerId, i.SubscriptionId, i.Currency.Code, t.Step, invoice.Dunning!.Schedule.StepDays.Count, t.OutstandingMicros.Value, t.DueAt, t.At)),
            DunningExhausted x => Send(new InvoiceDunningExhausted(id, i.Number, i.CustomerId, i.SubscriptionId, i.Currency.Code, x.FinalAction.Name(), x.OutstandingMicros.Value, x.DueAt, x.At, x.FinalActionRefused)),
            _ => throw new System.Diagnostics.UnreachableException($"{e.EventTypeName} is no news of an invoice"),
        };

        Task Send<T>(T message) where T : class => _bus.PublishConfirmed(message, e.Id, mandatory: false, ct);
    }
}

public static class Outbox
{
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(10);
    private const int AtOnceMax = 50;

    /// <summary>Publishes every event, some at once, and whatever failed again with a growing pause, until all are confirmed or we stop.</summary>
    public static async Task UntilPublished(string what, IReadOnlyList<IEvent> events, Func<IEvent, Task> publish, ILogger log, CancellationToken ct)
    {
        var pause = TimeSpan.FromMilliseconds(200);
        string? said = null;
        for (var left = events; left.Count > 0;)
        {
            var failed = new List<IEvent>();
            foreach (var some in left.Chunk(AtOnceMax))
            {
                // One failure tells enough: the broker is away for the others too.
                if (failed.Count > 0) { failed.AddRange(some); continue; }
                foreach (var (e, cause) in await Task.WhenAll(some.Select(e => Try(e, publish, ct))))
                {
                    if (cause is null) continue;
                    failed.Add(e);
                    if (said is null) log.LogWarning("{What} cannot be published yet: {Cause}; trying until it is", what, said = cause.Message);
                }
            }
            left = failed;
            if (left.Count == 0) break;
            await Task.Delay(pause, ct);
            pause = pause * 2 < PauseMax ? pause * 2 : PauseMax;
        }
        if (said is not null) log.LogInformation("{What} is published again", what);
    }

    private static async Task<(IEvent Event, Exception? Cause)> Try(IEvent e, Func<IEvent, Task> publish, CancellationToken ct)
    {
        try
        {
            await publish(e);
            return (e, null);
        }
        catch (Exception cause) when (!ct.IsCancellationRequested)
        {
            return (e, cause);
        }
    }
}
