using Grpc.Core;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>
/// Who calls, and why, from the metadata actor and reason: UTF-8, percent-encoded, so that plain ASCII stands as it is. Beside the requests rather than in them, as the
/// idempotency-key is: a repeat by somebody else is still a repeat. Who says nothing is called by the name of his API key.
/// </summary>
public sealed class CallerAttribution(IOptions<BillingOptions> options)
{
    public const string ActorMetadata = "actor", ReasonMetadata = "reason";

    /// <param name="reason">said in the request itself, where the metadata says none</param>
    /// <returns>null where the caller says nothing</returns>
    /// <exception cref="RefusedException">actor_missing, or attribution_too_long.</exception>
    public Attribution? Of(ServerCallContext context, string reason = "")
    {
        var (actor, why, key) = (Said(context, ActorMetadata), Said(context, ReasonMetadata), Caller.Of(context));
        if (actor.Length == 0 && key is not null) actor = key.Name;
        if (why.Length == 0) why = reason;
        if (actor.Length > Attribution.ActorLengthMax || why.Length > Attribution.ReasonLengthMax)
            throw new Refusal("attribution_too_long", $"an actor has at most {Attribution.ActorLengthMax} characters, a reason {Attribution.ReasonLengthMax}").AsException();
        if (actor.Length > 0 && (why.Length > 0 || !options.Value.RequireActor)) return new(actor, why) { Key = key?.Id };
        if (options.Value.RequireActor) throw new Refusal("actor_missing", "say who orders this, and why, in the metadata actor and reason: it is kept for auditors").AsException();
        return why.Length > 0 ? new(Attribution.Unknown, why) : null;
    }

    private static string Said(ServerCallContext context, string name) => Uri.UnescapeDataString(context.RequestHeaders.GetValue(name) ?? "").Trim();
}
