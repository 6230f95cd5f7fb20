namespace Billing.Webhooks;

/// <summary>Sends to an endpoint again: first what was queued when it was disabled.</summary>
/// <param name="CatchUpFrom">the number of the event that disabled it, to send what happened since, too; null to leave that out</param>
public sealed record EnableEndpoint(long? CatchUpFrom, DateTimeOffset At);

public static class EnableEndpointDecision
{
    public static Decision<WebhookEvent> Decide(EnableEndpoint c, WebhookState state) => state switch
    {
        WebhookState.Known { Disabled: null } => Decision.NoChange,
        // Replayed before it hears of anything new: what happened to an object is sent in its order.
        WebhookState.Known => Decision.Accept<WebhookEvent>([
            .. c.CatchUpFrom is { } from ? new WebhookEvent[] { new WebhookReplayOrdered(from, null, OnlyUndelivered: true, c.At) } : [],
            new WebhookEndpointEnabled(c.At),
        ]),
        _ => RegisterEndpointDecision.Unknown,
    };
}
