using Grpc.Core;

namespace Billing.Host;

/// <summary>
/// Who calls, and why, from the metadata actor and reason: UTF-8, percent-encoded, so that plain ASCII stands as it is. Beside the requests rather than in them, as the
/// idempotency-key is: a repeat by somebody else is still a repeat. Who says nothing is called by the name of his API key, and without one anonymous: what somebody ordered never
/// looks like what the clock did. Which calls must say it <see cref="AttributionDemanded"/> knows.
/// </summary>
public static class CallerAttribution
{
    public const string ActorMetadata = "actor", ReasonMetadata = "reason";

    /// <param name="reason">said in the request itself, where the metadata says none</param>
    /// <exception cref="RefusedException">attribution_too_long</exception>
    /// <exception cref="FormatException">It holds U+0000.</exception>
    public static Attribution Of(ServerCallContext context, string reason = "")
    {
        var (actor, why, key) = (Said(context, ActorMetadata), Said(context, ReasonMetadata), Caller.Of(context));
        if (actor.Length == 0 && key is not null) actor = key.Name;
        if (why.Length == 0) why = reason;
        if (actor.Length > Attribution.ActorLengthMax || why.Length > Attribution.ReasonLengthMax || reason.Length > Attribution.ReasonLengthMax)
            throw new Refusal("attribution_too_long", $"an actor has at most {Attribution.ActorLengthMax} characters, a reason {Attribution.ReasonLengthMax}").AsException();
        return new(actor.Length > 0 ? actor : Attribution.Anonymous, why) { Key = key?.Id };
    }

    private static string Said(ServerCallContext context, string name)
    {
        var said = Uri.UnescapeDataString(context.RequestHeaders.GetValue(name) ?? "").Trim();
        return StorableText.Is(said) ? said : throw StorableText.Wrong($"the metadata {name}");
    }
}
