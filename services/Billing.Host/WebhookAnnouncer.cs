using Billing.Webhooks;
using JasperFx.Events;
using JasperFx.Events.Daemon;
using JasperFx.Events.Projections;
using Marten;
using Marten.Events.Daemon;
using Marten.Events.Daemon.Internals;
using Marten.Linq;
using Marten.Subscriptions;

namespace Billing.Host;

/// <summary>
/// Queues what each endpoint is told, from the committed log and in its order, together with the progress past it: every event once for an endpoint. Whom an event is told to is said by the log
/// alone: the endpoint as it stood with that event. What was ordered to be sent again is queued here too.
/// </summary>
public sealed class WebhookAnnouncer : SubscriptionBase
{
    internal const string ShardName = "webhook-announcer";
    private static readonly (string Stored, string Announced)[] Types = [.. WebhookTypes.Announced.Select(t => (EventTypeExtensions.GetEventTypeName(t.Key), t.Value))];
    private readonly BusinessClock _clock;

    public WebhookAnnouncer(BusinessClock clock)
    {
        _clock = clock;
        Name = ShardName;
        foreach (var type in WebhookTypes.Announced.Keys) IncludeType(type);
        IncludeType<WebhookEndpointEnabled>();
        IncludeType<WebhookEndpointUpdated>();
        IncludeType<WebhookReplayOrdered>();
    }

    /// <summary>Stored event types that are announced, as the log names them.</summary>
    internal static string[] StoredTypes => [.. Types.Select(t => t.Stored)];

    /// <returns>null for what nobody is told of</returns>
    internal static string? AnnouncedAs(string stored) => Types.Where(t => t.Stored == stored).Select(t => t.Announced).FirstOrDefault();

    public override async Task<IChangeListener> ProcessEventsAsync(
        EventRange page, ISubscriptionController controller, IDocumentOperations operations, CancellationToken cancellationToken)
    {
        var history = new Queue<IEvent>(await Endpoints(operations, page.SequenceCeiling, cancellationToken));
        var endpoints = new SortedDictionary<string, WebhookState>(StringComparer.Ordinal);
        foreach (var e in page.Events)
        {
            while (history.TryPeek(out var next) && next.Sequence <= e.Sequence)
            {
                endpoints[next.StreamKey!] = WebhookState.Evolve(endpoints.GetValueOrDefault(next.StreamKey!, WebhookState.Initial), (WebhookEvent)next.Data);
                history.Dequeue();
            }
            if (e.Data is WebhookReplayOrdered r) Replay(operations, e.StreamKey!, Known(e), r.FromSequence, r.ToSequence ?? e.Sequence - 1, r.OnlyUndelivered);
            if (e.Data is WebhookEndpointUpdated) Forget(operations, e.StreamKey!, Known(e), e.Sequence);
            // Before that it was told of everything, and what was given up of it is in the list again.
            if (e.Data is WebhookEndpointEnabled { CatchUpFrom: { } from }) Replay(operations, e.StreamKey!, Known(e), from, e.Sequence - 1, onlyUndelivered: true);
            if (WebhookTypes.Announced.TryGetValue(e.Data.GetType(), out var type))
                foreach (var (id, _) in endpoints.Where(x => ((WebhookState.Known)x.Value).Hears(type))) Queue(operations, id, e, type);
        }
        return NullChangeListener.Instance;

        WebhookState.Known Known(IEvent e) => (WebhookState.Known)endpoints[e.StreamKey!];
    }

    /// <summary>All that was ever said of endpoints up to an event. There are few, and little is said of them.</summary>
    private static async Task<IReadOnlyList<IEvent>> Endpoints(IQuerySession session, long through, CancellationToken ct)
    {
        string[] ids = [.. await session.Query<WebhookEndpointView>().Select(v => v.Id).ToListAsync(ct)];
        return ids.Length == 0
            ? []
            : [.. (await session.Events.QueryAllRawEvents().Where(e => e.StreamKey!.IsOneOf(ids) && e.Sequence <= through).OrderBy(e => e.Sequence).ToListAsync(ct)).Where(e => e.Data is WebhookEvent)];
    }

    private void Queue(IDocumentOperations operations, string endpointId, IEvent e, string type) => operations.QueueSqlCommand(
        "insert into billing.webhook_delivery (endpoint_id, sequence, stream_id, type, status, attempts, step, due_at) values (?, ?, ?, ?, 'pending', 0, 0, ?) on conflict do nothing",
        endpointId, e.Sequence, e.StreamKey!, type, _clock.Now);

    /// <summary>What was queued of types that an endpoint does not hear any more.</summary>
    private static void Forget(IDocumentOperations operations, string endpointId, WebhookState.Known endpoint, long before) => operations.QueueSqlCommand(
        """
        with gone as (delete from billing.webhook_delivery where endpoint_id = ? and status = 'pending' and sequence < ? and type <> all(?) returning endpoint_id, sequence)
        delete from billing.webhook_attempt a using gone where a.endpoint_id = gone.endpoint_id and a.sequence = gone.sequence
        """,
        endpointId, before, Types.Where(t => endpoint.Wants(t.Announced)).Select(t => t.Announced).ToArray());

    /// <summary>What was given up, in the transaction that enables the endpoint: of an object it goes before what was queued behind it, which may be sent from then on.</summary>
    internal static void TryAgain(IDocumentOperations operations, string endpointId, WebhookState.Known endpoint, DateTimeOffset now) => operations.QueueSqlCommand(
        "update billing.webhook_delivery set status = 'pending', step = 0, due_at = ? where endpoint_id = ? and status = 'failed' and type = any(?)",
        now, endpointId, Types.Where(t => endpoint.Wants(t.Announced)).Select(t => t.Announced).ToArray());

    /// <summary>An attempt that is on its way meanwhile loses its claim, and with it the last word.</summary>
    private void Replay(IDocumentOperations operations, string endpointId, WebhookState.Known endpoint, long from, long through, bool onlyUndelivered)
    {
        var wanted = Types.Where(t => endpoint.Wants(t.Announced)).ToArray();
        operations.QueueSqlCommand(
            """
            insert into billing.webhook_delivery (endpoint_id, sequence, stream_id, type, status, attempts, step, due_at)
            select ?, e.seq_id, e.stream_id, t.announced, 'pending', 0, 0, ? from billing.mt_events e join unnest(?, ?) as t (stored, announced) on t.stored = e.type
            where e.seq_id >= ? and e.seq_id <= ? and e.stream_id <> ?
            on conflict (endpoint_id, sequence) do update set status = 'pending', step = 0, due_at = excluded.due_at, claimed_by = null, claimed_until = null
                where not ? or webhook_delivery.status <> 'delivered'
            """,
            endpointId, _clock.Now, wanted.Select(t => t.Stored).ToArray(), wanted.Select(t => t.Announced).ToArray(), from, through, endpointId, onlyUndelivered);
    }
}
