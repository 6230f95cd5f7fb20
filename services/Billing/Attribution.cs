using System.Text.Json.Serialization;

namespace Billing;

/// <summary>Who did something, and why. It stands in the event, for whatever stands beside an event is not sealed with it.</summary>
/// <param name="Actor">the account of a person or the name of a program; never more about a person than that, for an event cannot be erased</param>
/// <param name="Reason">empty where none was given</param>
public sealed record Attribution(string Actor, string Reason)
{
    /// <summary>The id of the API key that it was ordered with; null where nobody was asked for one. An actor is what the caller says, the key is what he showed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Key { get; init; }

    /// <summary>Of what was stored before events said who.</summary>
    public const string Unknown = "unknown";

    /// <summary>Of somebody who was asked neither for a key nor for a name, and gave none.</summary>
    public const string Anonymous = "anonymous";

    public const int ActorLengthMax = 100, ReasonLengthMax = 500;

    /// <summary>actor_missing, where it does not say who or does not say why; null where it says both.</summary>
    public Refusal? Missing() => (!string.IsNullOrWhiteSpace(Actor) && Actor != Anonymous, !string.IsNullOrWhiteSpace(Reason)) switch
    {
        (true, true) => null,
        (true, false) => new("actor_missing", "say why this is done (the reason): it is kept for auditors"),
        (false, true) => new("actor_missing", "say who does this (the actor): it is kept for auditors"),
        _ => new("actor_missing", "say who does this, and why (the actor and the reason): it is kept for auditors"),
    };
}

/// <summary>An event that somebody may have ordered: an administrative action is an event with its actor and its reason.</summary>
public abstract record AttributedEvent
{
    /// <summary>Null where nobody ordered it: the clock did, or usage, or it is older than this field, or than saying anonymous.</summary>
    [JsonPropertyOrder(1), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Attribution? By { get; init; }
}

public static class Attributions
{
    /// <summary>The decision's events as ordered by somebody; what it decides does not depend on whom.</summary>
    public static Decision<TEvent> By<TEvent>(this Decision<TEvent> decision, Attribution? by) where TEvent : AttributedEvent => by is null || decision.Events.Count == 0
        ? decision
        : decision with { Events = [.. decision.Events.Select(e => (TEvent)((AttributedEvent)e with { By = by }))] };
}
