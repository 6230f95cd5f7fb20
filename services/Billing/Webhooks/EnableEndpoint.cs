namespace Billing.Webhooks;

/// <summary>Sends to an endpoint again: first what was queued when it was disabled.</summary>
/// <param name="CatchUpFrom">the number of the event that disabled it: what was given up before, and everything since, is sent before anything new; null to leave that out</param>
public sealed record EnableEndpoint(long? CatchUpFrom, DateTimeOffset At);

public static class EnableEndpointDecision
{
    public static Decision<WebhookEvent> Decide(EnableEndpoint c, WebhookState state) => state switch
    {
        WebhookState.Known { Disabled: null } => Decision.NoChange,
        WebhookState.Known => Decision.Accept<WebhookEvent>(new WebhookEndpointEnabled(c.CatchUpFrom, c.At)),
        _ => RegisterEndpointDecision.Unknown,
    };
}
