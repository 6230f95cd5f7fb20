using JasperFx.Events;
using JasperFx.Events.Daemon;
using Marten;
using StreamExists = Marten.Exceptions.ExistingStreamIdCollisionException;

namespace Hosting;

/// <summary>Load a stream, decide, append only if nobody else did. The one place where decisions meet Marten.</summary>
public sealed class EventStreams(IDocumentStore store)
{
    private const int AttemptsMax = 10;

    /// <param name="alongside">Written in the same transaction as the events, given the state after them: an idempotency key, say.</param>
    public async Task<Decision<TEvent>> Transact<TState, TEvent>(
        string streamId, TState initial, Func<TState, TEvent, TState> evolve, Func<TState, Decision<TEvent>> decide,
        CancellationToken ct, Action<IDocumentSession, TState>? alongside = null)
        where TEvent : class
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var session = store.LightweightSession();
            var history = await session.Events.FetchStreamAsync(streamId, token: ct);
            var state = Fold(history, initial, evolve);
            var decision = decide(state);
            if (decision.Events.Count == 0) return decision;

            session.AppendExpecting(streamId, history.Count, decision.Events);
            alongside?.Invoke(session, decision.Events.Aggregate(state, evolve));
            try
            {
                await session.SaveChangesAsync(ct);
                return decision;
            }
            catch (Exception e) when (attempt < AttemptsMax && IsConflict(e))
            {
                // Another writer won: decide again on what it left.
            }
        }
    }

    /// <summary>The state of a stream as it stands: the same fold that decisions use.</summary>
    public async Task<TState> Load<TState, TEvent>(string streamId, TState initial, Func<TState, TEvent, TState> evolve, CancellationToken ct)
        where TEvent : class
    {
        await using var session = store.QuerySession();
        return Fold(await session.Events.FetchStreamAsync(streamId, token: ct), initial, evolve);
    }

    public static TState Fold<TState, TEvent>(IReadOnlyList<IEvent> history, TState initial, Func<TState, TEvent, TState> evolve)
        where TEvent : class =>
        // A rolled-back append leaves a tombstone in the log; it says nothing about the stream.
        history.Where(e => e.Data is not Tombstone).Select(e => (TEvent)e.Data).Aggregate(initial, evolve);

    /// <summary>
    /// Somebody else wrote to the stream between our reading and our writing. An inline view can notice first, when it is already
    /// ahead of what we read and cannot fold our events; if it is the fold that is wrong, trying again fails the same way and says so.
    /// </summary>
    public static bool IsConflict(Exception e) =>
        e is EventStreamUnexpectedMaxEventIdException or StreamExists or ApplyEventException;
}

public static class EventAppends
{
    /// <summary>Appends if the stream still has exactly <paramref name="versionBefore"/> events; 0 means that it must not exist.</summary>
    public static void AppendExpecting<TEvent>(this IDocumentSession session, string streamId, long versionBefore, IReadOnlyList<TEvent> events)
        where TEvent : class
    {
        object[] data = [.. events];
        if (versionBefore == 0) session.Events.StartStream(streamId, data);
        else session.Events.Append(streamId, versionBefore + data.Length, data);
    }
}
