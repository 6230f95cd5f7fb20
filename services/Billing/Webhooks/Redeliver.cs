namespace Billing.Webhooks;

/// <summary>Sends an endpoint one event again. Each order is one, as with a replay.</summary>
/// <param name="Type">what it is announced as</param>
public sealed record Redeliver(long Sequence, string Type, DateTimeOffset At);

public static class RedeliverDecision
{
    public static Decision<WebhookEvent> Decide(Redeliver c, WebhookState state) => state switch
    {
        WebhookState.Known k when !k.Wants(c.Type) =>
            Decision.Refuse("webhook_type_unheard", $"event {c.Sequence} is {c.Type}, and the endpoint hears {string.Join(", ", k.Types)}: billing webhook update lets it hear of others"),
        WebhookState.Known => Decision.Accept<WebhookEvent>(new WebhookReplayOrdered(c.Sequence, c.Sequence, OnlyUndelivered: false, c.At)),
        _ => RegisterEndpointDecision.Unknown,
    };
}
