using System.Diagnostics.Metrics;

namespace Billing.Host;

/// <summary>What the sending of webhooks tells operators, under the meter "Billing.Webhooks".</summary>
public sealed class WebhookMetrics
{
    private readonly Counter<long> _attempts;
    private readonly Counter<long> _failed;
    private readonly Counter<long> _disabled;

    public WebhookMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("Billing.Webhooks");
        _attempts = meter.CreateCounter<long>("billing.webhooks.attempts", "{attempt}", "Attempts of this instance, by outcome: delivered, refused, redirected, gone, timed_out, unreachable, address_refused, failed_here.");
        _failed = meter.CreateCounter<long>("billing.webhooks.failed", "{delivery}", "Deliveries given up after their last attempt.");
        _disabled = meter.CreateCounter<long>("billing.webhooks.disabled", "{endpoint}", "Endpoints disabled because they took nothing for three days, or are gone.");
        meter.CreateObservableGauge("billing.webhooks.pending", () => Load.Pending, "{delivery}", "Deliveries that are queued, of all instances.");
        meter.CreateObservableGauge("billing.webhooks.endpoints.failing", () => Load.FailingEndpoints, "{endpoint}", "Enabled endpoints whose latest attempt failed.");
    }

    public WebhookLoad Load { get; set; } = new(0, 0);

    public void Attempted(string outcome) => _attempts.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
    public void Failed() => _failed.Add(1);
    public void Disabled() => _disabled.Add(1);
}
