using System.Diagnostics;
using System.Text.Json.Serialization;

namespace Billing.Webhooks;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
/// <summary>Whom billing tells what happened, at which address. A stream for each endpoint; its secrets stand outside the history, where they can be taken away.</summary>
public abstract record WebhookEvent : AttributedEvent;

/// <param name="Url">stands in the history for ever: it holds no secret</param>
/// <param name="Types">of what it wants to hear, as WebhookTypes names them; empty is all</param>
public sealed record WebhookEndpointRegistered(string Url, ValueList<string> Types, string Description, DateTimeOffset At) : WebhookEvent;

/// <summary>From now on it is another address, or hears of other things.</summary>
public sealed record WebhookEndpointUpdated(string Url, ValueList<string> Types, string Description, DateTimeOffset At) : WebhookEvent;

/// <summary>Deliveries are signed with a new secret, and for a day with the one before too.</summary>
/// <param name="AtOnce">the one before was taken away at once: somebody may have seen it</param>
public sealed record WebhookSecretRotated(bool AtOnce, DateTimeOffset At) : WebhookEvent;

/// <summary>Nothing is sent to it, and nothing new is queued, until it is enabled again. What was queued stays.</summary>
/// <param name="Detail">what it answered last, or what somebody ordered</param>
public sealed record WebhookEndpointDisabled(DisablingCause Cause, string Detail, DateTimeOffset At) : WebhookEvent;

/// <param name="CatchUpFrom">the number of the event from which on it is sent what happened until now and was not delivered; null where it is told of nothing that happened meanwhile</param>
public sealed record WebhookEndpointEnabled(long? CatchUpFrom, DateTimeOffset At) : WebhookEvent;

/// <summary>What happened in [From, To] is sent to it (again), in its order.</summary>
/// <param name="FromSequence">the number of the first event in the log</param>
/// <param name="ToSequence">of the last one; null is everything before this event</param>
/// <param name="OnlyUndelivered">what it has taken is not sent again</param>
public sealed record WebhookReplayOrdered(long FromSequence, long? ToSequence, bool OnlyUndelivered, DateTimeOffset At) : WebhookEvent;

[JsonConverter(typeof(JsonStringEnumConverter<DisablingCause>))]
public enum DisablingCause
{
    [JsonStringEnumMemberName("by_hand")] ByHand,
    [JsonStringEnumMemberName("failures")] Failures,

    /// <summary>It answered 410 Gone.</summary>
    [JsonStringEnumMemberName("gone")] Gone,
}

public static class DisablingCauses
{
    public static string Name(this DisablingCause cause) => cause switch
    {
        DisablingCause.ByHand => "by_hand",
        DisablingCause.Failures => "failures",
        DisablingCause.Gone => "gone",
    };
}

public abstract record WebhookState
{
    /// <summary>What the ids of endpoints and of what they are sent start with.</summary>
    public const string IdPrefix = "whk", EventIdPrefix = "evt";

    public sealed record None : WebhookState;

    /// <param name="Disabled">null while it is enabled</param>
    public sealed record Known(string Url, ValueList<string> Types, string Description, DateTimeOffset RegisteredAt, WebhookEndpointDisabled? Disabled = null) : WebhookState
    {
        /// <summary>Whether it is told of what happens now.</summary>
        public bool Hears(string type) => Disabled is null && Wants(type);

        public bool Wants(string type) => Types.Count == 0 || Types.Contains(type);
    }

    public static WebhookState Initial { get; } = new None();

    public static WebhookState Evolve(WebhookState state, WebhookEvent e) => (state, e) switch
    {
        (None, WebhookEndpointRegistered r) => new Known(r.Url, r.Types, r.Description, r.At),
        (Known k, WebhookEndpointUpdated u) => k with { Url = u.Url, Types = u.Types, Description = u.Description },
        (Known k, WebhookEndpointDisabled d) => k with { Disabled = d },
        (Known k, WebhookEndpointEnabled) => k with { Disabled = null },
        (Known k, WebhookSecretRotated or WebhookReplayOrdered) => k,
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}
