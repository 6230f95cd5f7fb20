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
    private static readonly TimeSpan BetweenCounts = TimeSpan.FromSeconds(10), BetweenCleanings = TimeSpan.FromHours(1);
    private long _countedAt, _cleanedAt;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (sending, o, said) = (new List<Task>(), options.Value, "");
        while (!stoppingToken.IsCancellationRequested)
        {
            sending.RemoveAll(s => s.IsCompleted);
            IReadOnlyList<ClaimedDelivery> claimed = [];
            try
            {
                if (sending.Count < o.SendsMax) claimed = await queue.Claim(o.SendsMax - sending.Count, o.SendsPerEndpointMax, o.Timeout, clock.Now, stoppingToken);
                sending.AddRange(claimed.Select(Send));
                await KeepHouse(stoppingToken);
                said = "";
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                var cause = StoreFailure.Is(e) ? StoreFailure.Cause(e) : e.ToString();
                if (cause != said) log.LogWarning("webhooks wait: {Cause}", said = cause);
            }
            catch (OperationCanceledException)
            {
                break;
            }
            // One that is done may let the next of its object go.
            if (claimed.Count == 0) await Task.WhenAny([.. sending, Task.Delay(TimeSpan.FromSeconds(o.PollSeconds), stoppingToken)]);
        }
        // What is on its way is answered within the timeout, and recorded.
        await Task.WhenAll(sending);
    }

    private async Task KeepHouse(CancellationToken ct)
    {
        if (IsOver(BetweenCounts, ref _countedAt)) metrics.Load = await queue.Load(ct);
        if (IsOver(BetweenCleanings, ref _cleanedAt)) await queue.ForgetBefore(options.Value.KeptSince(clock.Now), ct);
    }

    private static bool IsOver(TimeSpan pause, ref long since)
    {
        if (since != 0 && TimeProvider.System.GetElapsedTime(since) < pause) return false;
        since = TimeProvider.System.GetTimestamp();
        return true;
    }

    private async Task Send(ClaimedDelivery delivery)
    {
        try
        {
            await Record(delivery, await Attempt(delivery), clock.Now);
        }
        catch (Exception e)
        {
            // Nobody knows what came of it: when the claim runs out it is sent again.
            log.LogError(e, "event {Sequence} cannot be sent to {Endpoint}: {Cause}", delivery.Sequence, delivery.EndpointId, StoreFailure.Is(e) ? StoreFailure.Cause(e) : e.Message);
        }
    }

    /// <summary>What fails for a reason of its own fails again, until it is given up: only while the store is away nobody can say what came of it.</summary>
    private async Task<WebhookAnswer> Attempt(ClaimedDelivery delivery)
    {
        try
        {
            var (id, body) = await contents.Of(delivery.Sequence, CancellationToken.None) ?? throw new InvalidOperationException("the log does not have it");
            return await client.Post(delivery.Url, id, body, await secrets.Of(delivery.EndpointId, clock.Now, CancellationToken.None));
        }
        catch (Exception e) when (!StoreFailure.Is(e))
        {
            log.LogError(e, "event {Sequence} cannot be made for {Endpoint}", delivery.Sequence, delivery.EndpointId);
            return WebhookAnswer.Failed(e);
        }
    }

    private async Task Record(ClaimedDelivery delivery, WebhookAnswer answer, DateTimeOffset at)
    {
        var next = AttemptSchedule.Next(delivery.Step + 1, at);
        DateTimeOffset? failingSince;
        try
        {
            failingSince = await queue.Record(delivery, answer, next, at, CancellationToken.None);
        }
        catch (Exception e) when (!StoreFailure.Is(e))
        {
            // Else nobody would count the attempt, and it were sent again and again.
            log.LogError(e, "what came of event {Sequence} at {Endpoint} cannot be stored: {Detail}", delivery.Sequence, delivery.EndpointId, answer.Detail);
            answer = answer with { Detail = WebhookAnswer.Unstorable };
            failingSince = await queue.Record(delivery, answer, next, at, CancellationToken.None);
        }
        metrics.Attempted(answer.Outcome);
        if (answer.IsDelivered) return;
        log.LogWarning("event {Sequence} was not taken by {Endpoint} at attempt {Attempt}: {Detail}", delivery.Sequence, delivery.EndpointId, delivery.Step + 1, answer.Detail);
        if (next is null) metrics.Failed();
        if (answer.Outcome == WebhookAnswer.Gone) await Disable(delivery.EndpointId, s => DisableEndpointDecision.Decide(new DisableEndpoint(DisablingCause.Gone, answer.Detail, at), s));
        // Only once a delivery is given up: a billing that stood still for days has not tried for days.
        else if (next is null && failingSince is { } since) await Disable(delivery.EndpointId, s => DisableEndpointDecision.Decide(new GiveUpEndpoint(since, answer.Detail, at), s));
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
