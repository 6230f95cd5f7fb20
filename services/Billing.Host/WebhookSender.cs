using Billing.Webhooks;
using Microsoft.Extensions.Options;

namespace Billing.Host;

/// <summary>
/// Sends what is queued and due, on every instance, a bounded number at once. What came of an attempt is recorded after it: an instance that dies in between leaves the delivery to be sent again,
/// under the same id.
/// </summary>
public sealed class WebhookSender(
    WebhookQueue queue, WebhookContents contents, WebhookSecrets secrets, WebhookClient client, EventStreams streams, BusinessClock clock, WebhookMetrics metrics, IOptions<WebhookOptions> options,
    ILogger<WebhookSender> log) : BackgroundService
{
    private static readonly TimeSpan Housekeeping = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (sending, pause, o) = (new List<Task>(), TimeSpan.FromSeconds(options.Value.PollSeconds), options.Value);
        var (kept, said) = (TimeProvider.System.GetTimestamp(), "");
        while (!stoppingToken.IsCancellationRequested)
        {
            sending.RemoveAll(s => s.IsCompleted);
            IReadOnlyList<ClaimedDelivery> claimed = [];
            try
            {
                if (sending.Count < o.SendsMax) claimed = await queue.Claim(o.SendsMax - sending.Count, o.SendsPerEndpointMax, o.Timeout, clock.Now, stoppingToken);
                sending.AddRange(claimed.Select(Send));
                if (TimeProvider.System.GetElapsedTime(kept) > Housekeeping)
                {
                    kept = TimeProvider.System.GetTimestamp();
                    metrics.Load = await queue.Load(stoppingToken);
                    await queue.ForgetBefore(clock.Now.AddDays(-o.KeepDays), stoppingToken);
                }
                said = "";
            }
            catch (Exception e) when (StoreFailure.Is(e))
            {
                if (said != StoreFailure.Cause(e)) log.LogWarning("webhooks wait for the database: {Cause}", said = StoreFailure.Cause(e));
            }
            catch (OperationCanceledException)
            {
                break;
            }
            // One that is done may let the next of its object go.
            if (claimed.Count == 0) await Task.WhenAny([.. sending, Task.Delay(pause, stoppingToken)]);
        }
        // What is on its way is answered within the timeout, and recorded.
        await Task.WhenAll(sending);
    }

    private async Task Send(ClaimedDelivery delivery)
    {
        try
        {
            var (id, body) = await contents.Of(delivery.Sequence, CancellationToken.None) ?? throw new InvalidOperationException("the log does not have it");
            var answer = await client.Post(delivery.Url, id, body, await secrets.Of(delivery.EndpointId, clock.Now, CancellationToken.None));
            await Record(delivery, answer, clock.Now);
        }
        catch (Exception e)
        {
            // Nobody knows what came of it: when the claim runs out it is sent again.
            log.LogError(e, "event {Sequence} cannot be sent to {Endpoint}: {Cause}", delivery.Sequence, delivery.EndpointId, StoreFailure.Is(e) ? StoreFailure.Cause(e) : e.Message);
        }
    }

    private async Task Record(ClaimedDelivery delivery, WebhookAnswer answer, DateTimeOffset at)
    {
        var next = AttemptSchedule.Next(delivery.Step + 1, at);
        var failingSince = await queue.Record(delivery, answer, next, at, CancellationToken.None);
        metrics.Attempted(answer.Outcome);
        if (answer.IsDelivered) return;
        log.LogWarning("event {Sequence} was not taken by {Endpoint} at attempt {Attempt}: {Detail}", delivery.Sequence, delivery.EndpointId, delivery.Step + 1, answer.Detail);
        if (next is null) metrics.Failed();
        if (answer.Outcome == WebhookAnswer.Gone) await Disable(delivery.EndpointId, s => DisableEndpointDecision.Decide(new DisableEndpoint(DisablingCause.Gone, answer.Detail, at), s));
        else if (failingSince is { } since) await Disable(delivery.EndpointId, s => DisableEndpointDecision.Decide(new GiveUpEndpoint(since, answer.Detail, at), s));
    }

    private async Task Disable(string endpointId, Func<WebhookState, Decision<WebhookEvent>> decide)
    {
        var decision = await streams.Transact(endpointId, WebhookState.Initial, WebhookState.Evolve, decide, CancellationToken.None);
        foreach (var disabled in decision.Events.OfType<WebhookEndpointDisabled>())
        {
            metrics.Disabled();
            log.LogError("webhook endpoint {Endpoint} is disabled ({Cause}): {Detail}; billing webhook enable sends to it again", endpointId, disabled.Cause, disabled.Detail);
        }
    }
}
