using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Contracts.Billing.V1;
using Grpc.Core;
using Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

/// <summary>One billing and one receiver for all: every test has endpoints and subscriptions of its own.</summary>
public sealed class When_webhooks_are_sent(When_webhooks_are_sent.Running running) : IClassFixture<When_webhooks_are_sent.Running>
{
    /// <summary>Billing that may send to this machine at one address, and a receiver there.</summary>
    public sealed class Running : IAsyncLifetime
    {
        public static readonly Dictionary<string, string?> Settings = new()
        {
            ["Billing:Webhooks:AllowHttp"] = "true", ["Billing:Webhooks:AllowedNetworks"] = "127.0.0.1/32", ["Billing:Webhooks:TimeoutSeconds"] = "1", ["Billing:Webhooks:PollSeconds"] = "0.05",
        };

        public BillingApp App { get; private set; } = null!;
        public WebhookReceiver Receiver { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            Receiver = await WebhookReceiver.StartAsync();
            App = await BillingApp.StartAsync(Settings);
        }

        public async Task DisposeAsync()
        {
            await App.DisposeAsync();
            await Receiver.DisposeAsync();
        }
    }

    private BillingApp App => running.App;
    private WebhookReceiver Receiver => running.Receiver;
    private Contracts.Billing.V1.Webhooks.WebhooksClient Webhooks => App.Webhooks;
    private DateTimeOffset Now => App.Get<BusinessClock>().Now;

    private async Task<EndpointSecret> Register(string path, params string[] types)
    {
        var request = new RegisterEndpointRequest { Url = Receiver.Address + path };
        request.EventTypes.AddRange(types);
        return await Webhooks.RegisterEndpointAsync(request);
    }

    /// <summary>What came to a path about an object.</summary>
    private ReceivedWebhook[] About(string path, string subject) => [.. Receiver.At(path).Where(w => w.Subject == subject)];

    private Task Until(string path, string subject, int count) => Eventually.True(() => About(path, subject).Length >= count, $"{path} heard {count} times of {subject}");

    private async Task<WebhookDelivery> Delivery(EndpointSecret of, string subject) =>
        (await Webhooks.ListDeliveriesAsync(new() { EndpointId = of.Endpoint.EndpointId, Subject = subject })).Deliveries[^1];

    private async Task<WebhookEndpoint> Endpoint(EndpointSecret of) => await Webhooks.GetEndpointAsync(new() { EndpointId = of.Endpoint.EndpointId });

    private Task Change(Subscription s, string plan) => App.Billing.ChangePlanAsync(new() { SubscriptionId = s.SubscriptionId, PlanId = plan, When = EffectiveWhen.Now }).ResponseAsync;

    private Task Cancel(Subscription s) => App.Billing.CancelSubscriptionAsync(new() { SubscriptionId = s.SubscriptionId, When = EffectiveWhen.Now }).ResponseAsync;

    private static async Task<string> ReasonOf<T>(AsyncUnaryCall<T> call) =>
        (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason;

    [Fact]
    public async Task What_happens_is_sent_as_signed_events_in_order_to_whoever_wants_it()
    {
        var (all, some) = (await Register("/all"), await Register("/some", "subscription.cancelled"));
        var before = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var acme = await App.Subscribe(Small, "all");
        await Change(acme, Metered);
        await Cancel(acme);
        await Until("/all", acme.SubscriptionId, 3);
        await Until("/some", acme.SubscriptionId, 1);

        var heard = About("/all", acme.SubscriptionId);
        Assert.Equal(["subscription.started", "subscription.plan_changed", "subscription.cancelled"], heard.Select(h => h.Type));
        Assert.Equal(["subscription.cancelled"], About("/some", acme.SubscriptionId).Select(h => h.Type));
        Assert.All(heard, h =>
        {
            Assert.True(h.IsSignedWith(all.Secret));
            Assert.False(h.IsSignedWith(some.Secret));
            Assert.Equal("application/cloudevents+json; charset=utf-8", h.ContentType);
            Assert.Equal(h.Id, h.Event.GetProperty("id").GetString());
            // Receivers hold it against their own clock, while billing's stands in January 2026.
            Assert.InRange(long.Parse(h.Timestamp, CultureInfo.InvariantCulture), before, before + 300);
        });
        Assert.Equal(["active", "active", "cancelled"], heard.Select(h => h.Event.GetProperty("data").GetProperty("subscription").GetProperty("status").GetString()));
        Assert.Equal([Small, Metered, Metered], heard.Select(h => h.Event.GetProperty("data").GetProperty("subscription").GetProperty("planId").GetString()));
        await Eventually.True(async () => (await Endpoint(all)).Pending == 0, "all is recorded");
        Assert.Equal(["delivered 200", "delivered 200", "delivered 200"], (await Webhooks.ListDeliveriesAsync(new() { EndpointId = all.Endpoint.EndpointId, Subject = acme.SubscriptionId })).Deliveries
            .Select(d => $"{d.Status} {d.Attempts.Single().Status}"));
    }

    [Fact]
    public async Task A_failure_holds_back_what_follows_of_its_object_and_nothing_else()
    {
        Receiver.Answer("/fails", (w, response) =>
        {
            if (w.Subject == Ids.Derive(Ids.Subscription, Jan1, "failing") && About("/fails", w.Subject).Length == 1) response.StatusCode = 500;
            return Task.CompletedTask;
        });
        var endpoint = await Register("/fails");
        var failing = await App.Subscribe(Small, "failing");
        await Until("/fails", failing.SubscriptionId, 1);
        await Change(failing, Metered);
        var other = await App.Subscribe(Small, "not failing");
        await Change(other, Metered);
        await Until("/fails", other.SubscriptionId, 2);
        Assert.Single(About("/fails", failing.SubscriptionId));
        await Eventually.True(async () => (await Delivery(endpoint, failing.SubscriptionId)).Attempts.Count == 1, "the failure is recorded");
        var waiting = await Delivery(endpoint, failing.SubscriptionId);
        Assert.Equal(("pending", "refused", 500, "answered 500", Now.AddSeconds(5)), (waiting.Status, waiting.Attempts[0].Outcome, waiting.Attempts[0].Status, waiting.Attempts[0].Detail, waiting.DueAt.ToDateTimeOffset()));

        await App.Advance(Now.AddSeconds(5));
        await Until("/fails", failing.SubscriptionId, 3);
        var heard = About("/fails", failing.SubscriptionId);
        Assert.Equal(["subscription.started", "subscription.started", "subscription.plan_changed"], heard.Select(h => h.Type));
        Assert.Equal(heard[0].Id, heard[1].Id);
        Assert.Equal(heard[0].Body, heard[1].Body);
        await Eventually.True(async () => (await Delivery(endpoint, failing.SubscriptionId)).Status == "delivered" && (await Endpoint(endpoint)).FailingSince is null, "it is recorded");
        Assert.Equal(["refused", "delivered"], (await Delivery(endpoint, failing.SubscriptionId)).Attempts.Select(a => a.Outcome));
    }

    [Fact]
    public async Task What_an_endpoint_does_not_hear_any_more_is_not_sent_though_it_was_queued()
    {
        Receiver.Answer("/narrowed", 500);
        var endpoint = await Register("/narrowed");
        var acme = await App.Subscribe(Small, "narrowed");
        await Change(acme, Metered);
        await Eventually.True(async () => (await Endpoint(endpoint)).Pending == 2 && (await Delivery(endpoint, acme.SubscriptionId)).Attempts.Count == 1, "the first failed and the second waits");
        await Webhooks.UpdateEndpointAsync(new() { EndpointId = endpoint.Endpoint.EndpointId, Url = Receiver.Address + "/narrowed", EventTypes = { "subscription.plan_changed" } });
        Receiver.Answer("/narrowed", 200);
        await App.Advance(Now.AddMinutes(5));
        await Until("/narrowed", acme.SubscriptionId, 2);
        Assert.Equal(["subscription.started", "subscription.plan_changed"], About("/narrowed", acme.SubscriptionId).Select(h => h.Type));
        await Eventually.True(async () => (await Endpoint(endpoint)).Pending == 0, "nothing waits that is never sent");
    }

    [Fact]
    public async Task One_that_stalls_is_left_after_a_second_and_holds_up_nobody()
    {
        var released = new TaskCompletionSource();
        Receiver.Answer("/stalls", (_, _) => released.Task);
        var (stalling, other) = (await Register("/stalls"), await Register("/beside"));
        var acme = await App.Subscribe(Small, "stalled");
        await Until("/beside", acme.SubscriptionId, 1);
        await Eventually.True(async () => (await Delivery(stalling, acme.SubscriptionId)).Attempts.Count > 0, "the attempt is over");
        released.SetResult();
        var attempt = (await Delivery(stalling, acme.SubscriptionId)).Attempts[0];
        Assert.Equal(("timed_out", 0, "no answer within 1 s"), (attempt.Outcome, attempt.Status, attempt.Detail));
        Assert.Equal((0, "no answer within 1 s"), ((await Endpoint(other)).Failed, (await Endpoint(stalling)).LastError));
    }

    [Fact]
    public async Task Nobody_is_led_to_an_internal_address()
    {
        await using var inside = await WebhookReceiver.StartAsync("http://127.0.0.2:0");
        Receiver.Answer("/elsewhere", (_, response) =>
        {
            response.StatusCode = 307;
            response.Headers.Location = inside.Address + "/secrets";
            return Task.CompletedTask;
        });
        var endpoint = await Register("/elsewhere");
        var acme = await App.Subscribe(Small, "led away");
        await Eventually.True(async () => (await Delivery(endpoint, acme.SubscriptionId)).Attempts.Count > 0, "the attempt is over");
        var attempt = (await Delivery(endpoint, acme.SubscriptionId)).Attempts[0];
        Assert.Equal(("redirected", 307), (attempt.Outcome, attempt.Status));
        Assert.Contains(inside.Address + "/secrets", attempt.Detail, StringComparison.Ordinal);
        Assert.Equal("webhook_url_invalid", await ReasonOf(Webhooks.RegisterEndpointAsync(new() { Url = inside.Address })));

        // A name says nothing about where it leads: what is connected to is looked at.
        using var client = new WebhookClient(Options.Create(new WebhookOptions { AllowHttp = true, AllowedNetworks = "127.0.0.2/32" }));
        var answer = await client.Post($"http://localhost:{new Uri(Receiver.Address).Port}/by-name", "evt_1", "{}"u8.ToArray(), []);
        Assert.Equal(("address_refused", 0), (answer.Outcome, answer.Status));
        Assert.Contains("is not an address of the public internet", answer.Detail, StringComparison.Ordinal);
        // And what was registered while plain text was allowed gets none when it is not any more.
        using var strict = new WebhookClient(Options.Create(new WebhookOptions { AllowedNetworks = "127.0.0.0/8" }));
        answer = await strict.Post(Receiver.Address + "/by-name", "evt_1", "{}"u8.ToArray(), []);
        Assert.Equal(("address_refused", 0), (answer.Outcome, answer.Status));
        Assert.Contains("must begin with https://", answer.Detail, StringComparison.Ordinal);
        Assert.Empty(Receiver.At("/by-name"));
        Assert.Empty(inside.At("/secrets"));
    }

    [Theory]
    [InlineData("J\0\0\0\n", "unreachable", "J")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: https://x.example/%00\r\nContent-Length: 0\r\n\r\n", "redirected", "answered 302 and points to https://x.example/%00:")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: https://x.example/not-to-be-stored\r\nContent-Length: 0\r\n\r\n", "redirected", "cannot be stored")]
    public async Task Whatever_a_receiver_says_the_attempt_is_recorded(string said, string outcome, string detail)
    {
        // The database refuses one detail that nothing is wrong with.
        if (detail == "cannot be stored") await App.Sql<object>("alter table billing.webhook_attempt add check (detail not like '%not-to-be-stored%')");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var answering = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync();
            var stream = client.GetStream();
            await stream.ReadAtLeastAsync(new byte[1], 1);
            await stream.WriteAsync(Encoding.ASCII.GetBytes(said));
        });
        var endpoint = await Webhooks.RegisterEndpointAsync(new() { Url = $"http://{listener.LocalEndpoint}/" });
        var acme = await App.Subscribe(Small, $"told: {detail}");
        await answering;
        await Eventually.True(async () => (await Delivery(endpoint, acme.SubscriptionId)).Attempts.Count > 0, "the attempt is recorded");
        var delivery = await Delivery(endpoint, acme.SubscriptionId);
        Assert.Equal(("pending", outcome, Now.AddSeconds(5)), (delivery.Status, delivery.Attempts[0].Outcome, delivery.DueAt.ToDateTimeOffset()));
        Assert.Contains(detail, delivery.Attempts[0].Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(delivery.Attempts[0].Detail, char.IsControl);
        await Webhooks.DisableEndpointAsync(new() { EndpointId = endpoint.Endpoint.EndpointId });
    }

    [Fact]
    public async Task What_is_sent_again_is_the_same_under_the_same_id()
    {
        var endpoint = (await Register("/again")).Endpoint.EndpointId;
        var acme = await App.Subscribe(Small, "again");
        await Change(acme, Metered);
        await Until("/again", acme.SubscriptionId, 2);
        await Eventually.True(async () => (await Webhooks.GetEndpointAsync(new() { EndpointId = endpoint })).Pending == 0, "both are recorded");
        var deliveries = (await Webhooks.ListDeliveriesAsync(new() { EndpointId = endpoint, Subject = acme.SubscriptionId })).Deliveries;

        await Webhooks.RedeliverAsync(new() { EndpointId = endpoint, Sequence = deliveries[1].Sequence });
        await Until("/again", acme.SubscriptionId, 3);
        await Webhooks.ReplayEndpointAsync(new() { EndpointId = endpoint, FromSequence = deliveries[1].Sequence }, new Metadata { { "idempotency-key", "again" } });
        await Until("/again", acme.SubscriptionId, 5);
        await Webhooks.ReplayEndpointAsync(new() { EndpointId = endpoint, FromSequence = deliveries[1].Sequence }, new Metadata { { "idempotency-key", "again" } });
        await Webhooks.ReplayEndpointAsync(new() { EndpointId = endpoint, From = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(Jan1), OnlyUndelivered = true });
        await Cancel(acme);
        await Until("/again", acme.SubscriptionId, 6);

        var heard = About("/again", acme.SubscriptionId);
        Assert.Equal([0, 1, 0, 0, 1, 2], heard.Select(h => Array.IndexOf([.. heard.Select(x => x.Id).Distinct()], h.Id)));
        Assert.All(heard.GroupBy(h => h.Id), same => Assert.Single(same.Select(h => Convert.ToBase64String(h.Body)).Distinct()));
        Assert.Equal(deliveries.Select(d => d.EventId).Reverse(), heard[..2].Select(h => h.Id));
        await Eventually.True(async () => (await Webhooks.ListDeliveriesAsync(new() { EndpointId = endpoint, Subject = acme.SubscriptionId })).Deliveries[^1].Attempts.Count == 3, "all attempts are listed");
        Assert.Equal("webhook_event_unknown", await ReasonOf(Webhooks.RedeliverAsync(new() { EndpointId = endpoint, Sequence = 1 })));
    }

    [Fact]
    public async Task A_billing_that_stood_still_for_days_has_not_tried_for_days_and_disables_nobody()
    {
        Receiver.Answer("/once", 503);
        var once = await Register("/once", "subscription.started");
        var acme = await App.Subscribe(Small, "once");
        await Eventually.True(async () => (await Delivery(once, acme.SubscriptionId)).Attempts.Count == 1, "the first attempt failed");
        await App.Advance((await Delivery(once, acme.SubscriptionId)).DueAt.ToDateTimeOffset().AddDays(9));
        await Eventually.True(async () => (await Delivery(once, acme.SubscriptionId)).Attempts.Count >= 2, "it is tried again");
        Assert.Equal(("enabled", true), ((await Endpoint(once)).Status, (await Endpoint(once)).FailingSince is not null));
    }

    [Fact]
    public async Task Whoever_takes_nothing_for_three_days_is_disabled_and_the_others_are_told()
    {
        Receiver.Answer("/dead", 503);
        var (dead, watch) = (await Register("/dead", "subscription.started", "subscription.cancelled"), await Register("/watch", "webhook_endpoint.disabled"));
        var acme = await App.Subscribe(Small, "dead");
        for (var attempt = 1; attempt <= 10; attempt++)
        {
            await Eventually.True(async () => (await Delivery(dead, acme.SubscriptionId)).Attempts.Count == attempt, $"attempt {attempt} failed");
            if ((await Delivery(dead, acme.SubscriptionId)).DueAt is { } due) await App.Clock.AdvanceAsync(new() { To = due });
        }
        await Eventually.True(async () => (await Endpoint(dead)).Status == "disabled", "it is disabled");
        await Until("/watch", dead.Endpoint.EndpointId, 1);
        var (given, told) = (await Endpoint(dead), About("/watch", dead.Endpoint.EndpointId).Single().Event.GetProperty("data").GetProperty("endpoint"));
        Assert.Equal(("failures", "answered 503", 1), (given.DisabledCause, given.DisabledDetail, given.Failed));
        Assert.Equal(("failures", "answered 503"), (told.GetProperty("cause").GetString(), told.GetProperty("detail").GetString()));
        Assert.Equal(TimeSpan.FromHours(75.0) + TimeSpan.FromSeconds(35 * 60 + 5), given.DisabledAt.ToDateTimeOffset() - given.FailingSince.ToDateTimeOffset());
        Assert.Equal("failed", (await Delivery(dead, acme.SubscriptionId)).Status);

        // While it is disabled nothing is queued; then it is told all of it, in order.
        await Cancel(acme);
        await App.CaughtUp();
        Assert.Single((await Webhooks.ListDeliveriesAsync(new() { EndpointId = dead.Endpoint.EndpointId })).Deliveries);
        Receiver.Answer("/dead", 200);
        var enabled = await Webhooks.EnableEndpointAsync(new() { EndpointId = dead.Endpoint.EndpointId, CatchUp = true });
        // What was given up is in the list again when the endpoint may be sent to, so that nothing of its object that waits goes before it.
        Assert.Equal(("enabled", 0), (enabled.Status, enabled.Failed));
        Assert.Null(enabled.FailingSince);
        await Until("/dead", acme.SubscriptionId, 12);
        Assert.Equal(["subscription.started", "subscription.cancelled"], About("/dead", acme.SubscriptionId)[10..].Select(h => h.Type));
    }

    [Fact]
    public async Task Whoever_is_gone_is_disabled_at_once()
    {
        Receiver.Answer("/gone", 410);
        var endpoint = await Register("/gone");
        await App.Subscribe(Small, "gone");
        await Eventually.True(async () => (await Endpoint(endpoint)).Status == "disabled", "it is disabled");
        Assert.Equal("gone", (await Endpoint(endpoint)).DisabledCause);
    }

    [Fact]
    public async Task Invoices_are_told_with_their_sums()
    {
        await Register("/invoices", "invoice.finalized", "invoice.payment_recorded", "invoice.overdue");
        var acme = await App.Subscribe(Small, "invoiced");
        await App.Advance(acme.CurrentPeriod.End.ToDateTimeOffset().AddHours(1));
        var invoice = Invoices.InvoiceIds.Of(acme.CurrentPeriod.PeriodId);
        await App.Invoicing.RecordPaymentAsync(new() { InvoiceId = invoice, Provider = "stripe", Reference = "pi_hook", AmountMicros = 8_000_000, Currency = "USD" });
        await App.Advance(Now.AddDays(31));
        await Until("/invoices", invoice, 3);
        Assert.Equal(
            ["invoice.finalized finalized 0", "invoice.payment_recorded finalized 8000000", "invoice.overdue overdue 8000000"],
            About("/invoices", invoice).Select(h => (h.Type, I: h.Event.GetProperty("data").GetProperty("invoice"))).Select(h => $"{h.Type} {h.I.GetProperty("status").GetString()} {h.I.GetProperty("paidMicros").GetInt64()}"));
    }

    [Fact]
    public async Task Two_instances_send_each_once()
    {
        await Register("/twice");
        await using var other = App.Build(new(Running.Settings) { ["Clock:Start"] = Now.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) });
        await other.StartAsync();
        var subscriptions = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => App.Subscribe(Small, $"twice {i}")));
        await Task.WhenAll(subscriptions.Select(Cancel));
        foreach (var s in subscriptions) await Until("/twice", s.SubscriptionId, 2);
        await App.CaughtUp();
        await Eventually.True(async () => await App.Sql<long>("select count(*) from billing.webhook_delivery d join billing.mt_doc_webhookendpointview v on v.id = d.endpoint_id where v.data -> 'state' ->> 'url' like '%/twice' and d.status = 'pending'") == 0, "all is recorded");
        await other.StopAsync();
        Assert.All(subscriptions, s => Assert.Equal(["subscription.started", "subscription.cancelled"], About("/twice", s.SubscriptionId).Select(h => h.Type)));
    }
}
