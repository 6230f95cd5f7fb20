using Billing.Webhooks;
using JasperFx.Events;
using Marten.Events.Aggregation;

namespace Billing.Host;

/// <summary>An endpoint as it stands, for lists and for whoever sends. Written with its events.</summary>
/// <param name="Status">enabled or disabled</param>
public sealed record WebhookEndpointView(string Id, string Status, WebhookState.Known State)
{
    public const string Enabled = "enabled", Disabled = "disabled";

    public static WebhookEndpointView Fold(WebhookEndpointView? view, string id, WebhookEvent e)
    {
        var state = (WebhookState.Known)WebhookState.Evolve(view?.State ?? WebhookState.Initial, e);
        return new(id, state.Disabled is null ? Enabled : Disabled, state);
    }
}

public sealed partial class WebhookEndpointViewProjection : SingleStreamProjection<WebhookEndpointView, string>
{
    public WebhookEndpointViewProjection()
    {
        IncludeType<WebhookEndpointRegistered>();
        IncludeType<WebhookEndpointUpdated>();
        IncludeType<WebhookSecretRotated>();
        IncludeType<WebhookEndpointDisabled>();
        IncludeType<WebhookEndpointEnabled>();
        IncludeType<WebhookReplayOrdered>();
    }

    public override WebhookEndpointView? Evolve(WebhookEndpointView? snapshot, string id, IEvent e) =>
        e.Data is WebhookEvent event_ ? WebhookEndpointView.Fold(snapshot, id, event_) : snapshot;
}
