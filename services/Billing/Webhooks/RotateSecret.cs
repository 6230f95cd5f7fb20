namespace Billing.Webhooks;

/// <summary>Gives an endpoint a new secret. The one before signs beside it for a day, so that its owner can change over, unless it is taken away at once.</summary>
public sealed record RotateSecret(bool AtOnce, DateTimeOffset At);

public static class RotateSecretDecision
{
    public static Decision<WebhookEvent> Decide(RotateSecret c, WebhookState state) => state is WebhookState.Known
        ? Decision.Accept<WebhookEvent>(new WebhookSecretRotated(c.AtOnce, c.At))
        : RegisterEndpointDecision.Unknown;
}
