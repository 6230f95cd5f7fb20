namespace Billing.Webhooks;

/// <summary>Sends an endpoint (again) what happened between two events, both included. Each order is one: who repeats it without an idempotency-key orders it twice.</summary>
/// <param name="ToSequence">null is up to now</param>
public sealed record ReplayEndpoint(long FromSequence, long? ToSequence, bool OnlyUndelivered, DateTimeOffset At);

public static class ReplayEndpointDecision
{
    public static Decision<WebhookEvent> Decide(ReplayEndpoint c, WebhookState state) => state switch
    {
        WebhookState.None => RegisterEndpointDecision.Unknown,
        _ when c.FromSequence < 1 || c.ToSequence < c.FromSequence => Decision.Refuse("replay_span_invalid", "a replay goes from one event to the same or a later one; events count from 1"),
        _ => Decision.Accept<WebhookEvent>(new WebhookReplayOrdered(c.FromSequence, c.ToSequence, c.OnlyUndelivered, c.At)),
    };
}
