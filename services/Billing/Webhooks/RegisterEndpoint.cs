namespace Billing.Webhooks;

/// <summary>Names somebody who is told what happens from now on, and at which address.</summary>
/// <param name="Types">empty is all</param>
public sealed record RegisterEndpoint(string Url, ValueList<string> Types, string Description, DateTimeOffset At);

/// <summary>Changes where it is told, of what, and what people call it: all three at once.</summary>
public sealed record UpdateEndpoint(string Url, ValueList<string> Types, string Description, DateTimeOffset At);

public static class RegisterEndpointDecision
{
    private const int DescriptionLengthMax = 200;

    /// <param name="networks">where this deployment sends to</param>
    public static Decision<WebhookEvent> Decide(RegisterEndpoint c, WebhookState state, ReachableNetworks networks) => state switch
    {
        WebhookState.Known k when (k.Url, k.Types, k.Description).Equals((c.Url, c.Types, c.Description)) => Decision.NoChange,
        WebhookState.Known => Decision.Refuse("webhook_exists", "an endpoint with this id exists with another address, types or description: update that one, or take another id"),
        _ => Wrong(c.Url, c.Types, c.Description, networks) ?? Decision.Accept<WebhookEvent>(new WebhookEndpointRegistered(c.Url, c.Types, c.Description, c.At)),
    };

    public static Decision<WebhookEvent> Decide(UpdateEndpoint c, WebhookState state, ReachableNetworks networks) => state switch
    {
        WebhookState.Known k when (k.Url, k.Types, k.Description).Equals((c.Url, c.Types, c.Description)) => Decision.NoChange,
        WebhookState.Known => Wrong(c.Url, c.Types, c.Description, networks) ?? Decision.Accept<WebhookEvent>(new WebhookEndpointUpdated(c.Url, c.Types, c.Description, c.At)),
        _ => Unknown,
    };

    internal static Refusal Unknown => Decision.Refuse("webhook_unknown", "there is no such endpoint: register it first");

    private static Decision<WebhookEvent>? Wrong(string url, ValueList<string> types, string description, ReachableNetworks networks)
    {
        if (networks.WrongWith(url) is { } wrong) return Decision.Refuse("webhook_url_invalid", wrong);
        if (types.FirstOrDefault(t => !WebhookTypes.Names.Contains(t)) is { } unknown)
            return Decision.Refuse("webhook_type_unknown", $"'{unknown}' is not one of {string.Join(", ", WebhookTypes.Names)}");
        return description.Length > DescriptionLengthMax ? Decision.Refuse("description_too_long", $"a description has at most {DescriptionLengthMax} characters") : null;
    }
}
