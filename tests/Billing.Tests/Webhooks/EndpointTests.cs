using Billing.Webhooks;
using static Billing.Tests.Some;

namespace Billing.Tests.Webhooks;

public sealed class EndpointTests
{
    private const string Url = "https://example.com/billing";
    private static readonly ReachableNetworks Public = new(Http: false, []);
    private static readonly WebhookEndpointRegistered Registered = new(Url, ["invoice.finalized"], "books", Jan1);
    private static readonly WebhookEndpointDisabled Disabled = new(DisablingCause.Failures, "answered 500", Feb1);

    private static Scenario<WebhookState, WebhookEvent> Scenario => new(WebhookState.Initial, WebhookState.Evolve);

    private static Decision<WebhookEvent> Register(WebhookState s, string url = Url, string description = "books", params string[] types) =>
        RegisterEndpointDecision.Decide(new RegisterEndpoint(url, types.ToValueList(), description, Jan1), s, Public);

    private static Decision<WebhookEvent> Update(WebhookState s, string url, params string[] types) => RegisterEndpointDecision.Decide(new UpdateEndpoint(url, types.ToValueList(), "books", Feb1), s, Public);

    private static Decision<WebhookEvent> Disable(WebhookState s) => DisableEndpointDecision.Decide(new DisableEndpoint(DisablingCause.Failures, "answered 500", Feb1), s);

    private static Decision<WebhookEvent> GiveUp(WebhookState s, TimeSpan after) => DisableEndpointDecision.Decide(new GiveUpEndpoint(Feb1 - after, "answered 500", Feb1), s);

    [Fact]
    public void An_endpoint_is_registered_once_and_changed_by_an_update()
    {
        Scenario.When(s => Register(s, types: "invoice.finalized")).Then(Registered);
        Scenario.Given(Registered).When(s => Register(s)).ThenRefused("webhook_exists");
        Scenario.Given(Registered).When(s => Update(s, Url + "/2")).Then(new WebhookEndpointUpdated(Url + "/2", [], "books", Feb1));
        Scenario.Given(Registered).When(s => Update(s, Url, "invoice.finalized")).ThenNothing();
        Scenario.When(s => Update(s, Url)).ThenRefused("webhook_unknown");
    }

    [Fact]
    public void What_cannot_be_sent_to_is_refused_when_it_is_registered()
    {
        Scenario.When(s => Register(s, "http://example.com")).ThenRefused("webhook_url_invalid");
        Scenario.When(s => Register(s, "https://10.0.0.1/")).ThenRefused("webhook_url_invalid");
        Scenario.When(s => Register(s, types: "invoice.finalised")).ThenRefused("webhook_type_unknown");
        Scenario.When(s => Register(s, description: new string('x', 201))).ThenRefused("description_too_long");
        Scenario.Given(Registered).When(s => Update(s, "https://[::1]/")).ThenRefused("webhook_url_invalid");
    }

    [Fact]
    public void It_is_disabled_and_enabled_again_and_hears_nothing_meanwhile()
    {
        Scenario.Given(Registered).When(Disable).Then(Disabled);
        Scenario.Given(Registered, Disabled).When(s => EnableEndpointDecision.Decide(new(7, Mar1), s)).Then(new WebhookEndpointEnabled(7, Mar1));
        Scenario.Given(Registered).When(s => EnableEndpointDecision.Decide(new(7, Mar1), s)).ThenNothing();
        Scenario.When(Disable).ThenRefused("webhook_unknown");
        Scenario.When(s => EnableEndpointDecision.Decide(new(null, Mar1), s)).ThenRefused("webhook_unknown");
        var known = new WebhookState.Known(Url, ["invoice.finalized"], "", Jan1);
        Assert.Equal([true, false, false], new[] { known.Hears("invoice.finalized"), known.Hears("invoice.voided"), (known with { Disabled = Disabled }).Hears("invoice.finalized") });
        Assert.True((known with { Types = [] }).Hears("invoice.voided"));
    }

    [Fact]
    public void It_is_given_up_when_it_has_taken_nothing_for_three_days()
    {
        Scenario.Given(Registered).When(s => GiveUp(s, TimeSpan.FromDays(3) - TimeSpan.FromSeconds(1))).ThenNothing();
        Scenario.Given(Registered).When(s => GiveUp(s, TimeSpan.FromDays(3))).Then(Disabled);
        Scenario.Given(Registered, Disabled).When(s => GiveUp(s, TimeSpan.FromDays(9))).ThenNothing();
    }

    [Fact]
    public void Every_rotation_and_every_replay_is_an_order_of_its_own()
    {
        WebhookEvent[] Of(Decision<WebhookEvent> d) => [.. d.Events];
        var known = WebhookState.Evolve(WebhookState.Initial, Registered);
        Assert.Equal([new WebhookSecretRotated(true, Feb1)], Of(RotateSecretDecision.Decide(new(true, Feb1), known)));
        Assert.Equal([new WebhookReplayOrdered(3, null, true, Feb1)], Of(ReplayEndpointDecision.Decide(new(3, null, true, Feb1), known)));
        Scenario.Given(Registered).When(s => ReplayEndpointDecision.Decide(new(3, 2, false, Feb1), s)).ThenRefused("replay_span_invalid");
        Scenario.Given(Registered).When(s => ReplayEndpointDecision.Decide(new(0, null, false, Feb1), s)).ThenRefused("replay_span_invalid");
        Scenario.When(s => ReplayEndpointDecision.Decide(new(1, null, false, Feb1), s)).ThenRefused("webhook_unknown");
        Scenario.When(s => RotateSecretDecision.Decide(new(false, Feb1), s)).ThenRefused("webhook_unknown");
    }

    [Fact]
    public void One_event_is_sent_again_if_it_is_of_a_type_that_the_endpoint_hears()
    {
        Scenario.Given(Registered).When(s => RedeliverDecision.Decide(new(7, "invoice.voided", Feb1), s)).ThenRefused("webhook_type_unheard");
        Assert.Equal([new WebhookReplayOrdered(7, 7, false, Feb1)], RedeliverDecision.Decide(new(7, "invoice.finalized", Feb1), WebhookState.Evolve(WebhookState.Initial, Registered)).Events);
        Scenario.When(s => RedeliverDecision.Decide(new(7, "invoice.finalized", Feb1), s)).ThenRefused("webhook_unknown");
    }

    /// <summary>Nobody knows any more that it was delivered: it would be sent again.</summary>
    [Fact]
    public void What_is_undelivered_can_be_told_only_since_deliveries_are_listed()
    {
        static Decision<WebhookEvent> Replay(bool onlyUndelivered, long from) =>
            ReplayEndpointDecision.Decide(new(from, null, onlyUndelivered, Mar1, new(Feb1, 5)), WebhookState.Evolve(WebhookState.Initial, Registered));
        var refused = Replay(onlyUndelivered: true, 4).Refused!.Value;
        Assert.Equal("replay_before_kept", refused.Code);
        Assert.Contains("before 2026-02-01 00:00:00", refused.Detail, StringComparison.Ordinal);
        Assert.Equal([new WebhookReplayOrdered(5, null, true, Mar1)], Replay(onlyUndelivered: true, 5).Events);
        Assert.Equal([new WebhookReplayOrdered(1, null, false, Mar1)], Replay(onlyUndelivered: false, 1).Events);
        // Of imported books nothing is listed, however lately it happened.
        Decision<WebhookEvent> Imported(long from) => ReplayEndpointDecision.Decide(new(from, null, true, Mar1, new(Feb1, 5, AfterImport: 9)), WebhookState.Evolve(WebhookState.Initial, Registered));
        Assert.Contains("from event 9 on", Imported(8).Refused!.Value.Detail, StringComparison.Ordinal);
        Assert.Equal([new WebhookReplayOrdered(9, null, true, Mar1)], Imported(9).Events);
    }

    [Fact]
    public void A_delivery_is_tried_ten_times_over_three_days()
    {
        var at = Jan1;
        var times = new List<string>();
        for (var failed = 1; AttemptSchedule.Next(failed, at) is { } next; failed++) times.Add($"{(at = next) - Jan1}");
        Assert.Equal(["00:00:05", "00:05:05", "00:35:05", "02:35:05", "07:35:05", "17:35:05", "1.07:35:05", "2.03:35:05", "3.03:35:05"], times);
        Assert.Equal(10, AttemptSchedule.AttemptsMax);
        Assert.True(at - Jan1 >= AttemptSchedule.GiveUpAfter);
    }
}
