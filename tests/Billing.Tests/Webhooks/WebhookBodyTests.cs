using System.Text;
using System.Text.Json;
using Billing.Invoices;
using Billing.Subscriptions;
using Billing.Webhooks;
using static Billing.Tests.Some;

namespace Billing.Tests.Webhooks;

public sealed class WebhookBodyTests
{
    private static readonly string Id = Ids.Derive(WebhookState.EventIdPrefix, Feb1, "1"), Invoice = InvoiceIds.Of(January);
    private static readonly InvoiceFinalized Finalized = new("INV-000001", January, Subscription, Customer, Currency.Parse("USD"), new(12_500_000), "ab", Feb1);
    private static readonly PaymentRecorded Paid = new("stripe", "pi_1", new(12_500_000), Feb1.AddDays(1), Feb1.AddDays(2)) { By = new("ada", "statement of March") };

    private static string Text(string stream, object e, object state) => Encoding.UTF8.GetString(WebhookBody.Of(new(Id, stream, 42, e, Feb1), "/billing", state));

    private static InvoiceState Fold(params InvoiceEvent[] events) => events.Aggregate(InvoiceState.Initial, InvoiceState.Evolve);

    [Fact]
    public void An_invoice_is_told_as_it_stood_with_the_event()
    {
        var head = $$"""{"specversion":"1.0","id":"{{Id}}","source":"/billing","type":"{0}","subject":"{{Invoice}}","time":"2026-02-01T00:00:00.000000Z","sequence":"0000000000000000042","datacontenttype":"application/json","data":""";
        var invoice = $$"""{"invoiceId":"{{Invoice}}","number":"INV-000001","status":"{0}","customerId":"{{Customer}}","subscriptionId":"{{Subscription}}","periodId":"{{January}}","currency":"USD","totalMicros":12500000,"creditedMicros":0,"paidMicros":{1},"outstandingMicros":{2},"documentSha256":"ab"}""";
        Assert.Equal(
            head.Replace("{0}", "invoice.finalized", StringComparison.Ordinal) + """{"invoice":""" + invoice.Replace("{0}", "finalized", StringComparison.Ordinal).Replace("{1}", "0", StringComparison.Ordinal).Replace("{2}", "12500000", StringComparison.Ordinal) + "}}",
            Text(Invoice, Finalized, Fold(Finalized)));
        Assert.Equal(
            head.Replace("{0}", "invoice.payment_recorded", StringComparison.Ordinal) + """{"invoice":""" + invoice.Replace("{0}", "paid", StringComparison.Ordinal).Replace("{1}", "12500000", StringComparison.Ordinal).Replace("{2}", "0", StringComparison.Ordinal)
                + ""","payment":{"provider":"stripe","reference":"pi_1","amountMicros":12500000,"paidAt":"2026-02-02T00:00:00.000000Z"}}}""",
            Text(Invoice, Paid, Fold(Finalized, Paid)));
    }

    /// <summary>What is due at midnight is to be paid on the day before.</summary>
    [Fact]
    public void An_invoice_is_told_with_the_last_day_to_pay_on_as_it_is_printed()
    {
        var cut = new InvoiceTermsCut("acct_1", 1, 2, Mar1, Feb1, RatingVersion: Billing.Rating.RatingVersions.Latest);
        var invoice = JsonDocument.Parse(Text(Invoice, Finalized, Fold(cut, Finalized))).RootElement.GetProperty("data").GetProperty("invoice");
        Assert.Equal(("2026-03-01T00:00:00.000000Z", "2026-02-28"), (invoice.GetProperty("dueAt").GetString(), invoice.GetProperty("lastDay").GetString()));
    }

    [Fact]
    public void A_subscription_is_told_with_its_period_and_what_is_scheduled()
    {
        SubscriptionStarted started = new(Customer, Menu, Small, Jan1);
        SubscriptionCancellationScheduled scheduled = new(Feb1, Jan1.AddDays(3));
        var state = new SubscriptionEvent[] { started, scheduled }.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);
        var data = JsonDocument.Parse(Text(Subscription, scheduled, state)).RootElement.GetProperty("data");
        Assert.Equal(
            $$$"""{"subscriptionId":"{{{Subscription}}}","customerId":"{{{Customer}}}","status":"active","menuId":"{{{Menu}}}","planId":"{{{Small}}}","startedAt":"2026-01-01T00:00:00.000000Z","period":{"id":"{{{January}}}","number":0,"start":"2026-01-01T00:00:00.000000Z","end":"2026-02-01T00:00:00.000000Z"},"scheduled":{"effectiveAt":"2026-02-01T00:00:00.000000Z","cancels":true}}""",
            data.GetProperty("subscription").GetRawText());
    }

    [Fact]
    public void A_pause_is_told_from_when_it_is_scheduled_until_it_is_over()
    {
        SubscriptionStarted started = new(Customer, Menu, Small, Jan1);
        SubscriptionPauseScheduled scheduled = new(Feb1, Mar1, Jan1.AddDays(3));
        SubscriptionPaused paused = new(Feb1, null, Feb1);
        string? Pause(params SubscriptionEvent[] events) =>
            JsonDocument.Parse(Text(Subscription, events[^1], events.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve))).RootElement.GetProperty("data").GetProperty("subscription").TryGetProperty("pause", out var pause) ? pause.GetRawText() : null;
        Assert.Null(Pause(started));
        Assert.Equal("""{"from":"2026-02-01T00:00:00.000000Z","resumeAt":"2026-03-01T00:00:00.000000Z"}""", Pause(started, scheduled));
        Assert.Equal("""{"from":"2026-02-01T00:00:00.000000Z"}""", Pause(started, scheduled, paused));
        // Every later event tells it too, whatever it is about.
        Assert.Equal("""{"from":"2026-02-01T00:00:00.000000Z"}""", Pause(started, paused, new SubscriptionCancellationScheduled(Mar1, Feb1)));
        Assert.Null(Pause(started, scheduled, new SubscriptionPauseWithdrawn(Jan1.AddDays(4))));
        Assert.Null(Pause(started, paused, new SubscriptionResumed(Mar1, Mar1)));
    }

    [Fact]
    public void Who_ordered_it_is_nobody_elses_business() => Assert.DoesNotContain("ada", Text(Invoice, Paid, Fold(Finalized, Paid)), StringComparison.Ordinal);

    [Fact]
    public void A_disabled_endpoint_is_told_to_the_others()
    {
        WebhookEndpointDisabled disabled = new(DisablingCause.Failures, "answered 500", Feb1);
        var state = WebhookState.Evolve(WebhookState.Evolve(WebhookState.Initial, new WebhookEndpointRegistered("https://example.com", [], "", Jan1)), disabled);
        Assert.Equal("""{"endpoint":{"endpointId":"whk_1","cause":"failures","detail":"answered 500"}}""", JsonDocument.Parse(Text("whk_1", disabled, state)).RootElement.GetProperty("data").GetRawText());
    }

    [Fact]
    public void Every_event_of_these_streams_is_announced_or_said_not_to_be()
    {
        var types = new[] { typeof(InvoiceEvent), typeof(SubscriptionEvent), typeof(WebhookEvent) }.SelectMany(root => root.Assembly.GetTypes().Where(t => t.IsSubclassOf(root)));
        Assert.Equal(types.Select(t => t.Name).Order(), WebhookTypes.Announced.Keys.Concat(WebhookTypes.NotAnnounced).Select(t => t.Name).Order());
        Assert.Equal(WebhookTypes.Names.Count, WebhookTypes.Names.Distinct().Count());
        Assert.All(WebhookTypes.Names, n => Assert.Matches("^[a-z_]+\\.[a-z_]+$", n));
    }
}
