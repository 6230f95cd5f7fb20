namespace Billing.Webhooks;

/// <summary>Sends nothing more to an endpoint: somebody says so, or it says so itself.</summary>
/// <param name="Detail">why</param>
public sealed record DisableEndpoint(DisablingCause Cause, string Detail, DateTimeOffset At);

/// <summary>Gives up an endpoint that has taken nothing for as long as a delivery is tried.</summary>
/// <param name="FailingSince">when the first attempt failed after which none succeeded</param>
/// <param name="LastError">what came of the latest one</param>
public sealed record GiveUpEndpoint(DateTimeOffset FailingSince, string LastError, DateTimeOffset At);

public static class DisableEndpointDecision
{
    public static Decision<WebhookEvent> Decide(DisableEndpoint c, WebhookState state) => state switch
    {
        WebhookState.Known { Disabled: not null } => Decision.NoChange,
        WebhookState.Known => Decision.Accept<WebhookEvent>(new WebhookEndpointDisabled(c.Cause, c.Detail, c.At)),
        _ => RegisterEndpointDecision.Unknown,
    };

    public static Decision<WebhookEvent> Decide(GiveUpEndpoint c, WebhookState state) => c.At - c.FailingSince < AttemptSchedule.GiveUpAfter
        ? Decision.NoChange
        : Decide(new DisableEndpoint(DisablingCause.Failures, c.LastError, c.At), state);
}
