namespace Billing.Webhooks;

/// <summary>Sends an endpoint (again) what happened between two events, both included. Each order is one: who repeats it without an idempotency-key orders it twice.</summary>
/// <param name="ToSequence">null is up to now</param>
/// <param name="Kept">since when deliveries are listed; null where it does not matter</param>
public sealed record ReplayEndpoint(long FromSequence, long? ToSequence, bool OnlyUndelivered, DateTimeOffset At, KeptDeliveries? Kept = null);

/// <summary>What was delivered before is not listed any more, so nobody knows that it was.</summary>
/// <param name="FromSequence">the number of the first event of which every delivery is listed</param>
/// <param name="AfterImport">likewise, of the first one after the books were imported that the endpoint came with; 0 where it did not</param>
public sealed record KeptDeliveries(DateTimeOffset Since, long FromSequence, long AfterImport = 0);

public static class ReplayEndpointDecision
{
    public static Decision<WebhookEvent> Decide(ReplayEndpoint c, WebhookState state) => state switch
    {
        WebhookState.None => RegisterEndpointDecision.Unknown,
        _ when c.FromSequence < 1 || c.ToSequence < c.FromSequence => Decision.Refuse("replay_span_invalid", "a replay goes from one event to the same or a later one; events count from 1"),
        _ when c.OnlyUndelivered && c.FromSequence < c.Kept?.AfterImport => Decision.Refuse(
            "replay_before_kept", $"the endpoint came with imported books, and what was delivered of them is not listed here, so what was not cannot be told from it: replay the undelivered from event {c.Kept.AfterImport} on, or all there is"),
        _ when c.OnlyUndelivered && c.Kept is { } kept && c.FromSequence < kept.FromSequence => Decision.Refuse(
            "replay_before_kept", FormattableString.Invariant($"what was delivered before {kept.Since.UtcDateTime:yyyy-MM-dd HH:mm:ss} is not listed any more, so what was not cannot be told from it: replay the undelivered from then on, or all there is")),
        _ => Decision.Accept<WebhookEvent>(new WebhookReplayOrdered(c.FromSequence, c.ToSequence, c.OnlyUndelivered, c.At)),
    };
}
