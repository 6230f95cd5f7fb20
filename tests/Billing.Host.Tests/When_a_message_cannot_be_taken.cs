using Contracts.Messages;
using Grpc.Core;
using MassTransit;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_message_cannot_be_taken
{
    private static readonly string Other = Ids.Derive(Ids.Menu, Jan1, "other");

    /// <summary>What a sender that is out of its mind would call a menu.</summary>
    [MessageUrn("Contracts.Messages:MenuPublished")]
    private sealed record GarbledMenu(string MenuId, string Plans);

    [MessageUrn("Contracts.Messages:UsageRecorded")]
    private sealed record GarbledReport(string Shard, string Lines);

    private sealed record UsageRenamed(string Words);

    [Fact]
    public async Task It_is_parked_with_the_reason_and_taken_once_when_the_cause_is_mended()
    {
        await using var app = await BillingApp.StartAsync(new() { ["Billing:GapPollSeconds"] = "3600" });
        var subscription = await app.Subscribe(Metered);
        await app.Sql<object>("""
            create function billing.broken() returns trigger language plpgsql as $$ begin raise exception 'the books are jammed'; end $$;
            create trigger broken before insert on billing.mt_events for each row when (new.type in ('menu_terms_received', 'usage_applied')) execute function billing.broken();
            """);
        await app.Publish(TheMenu with { MenuId = Other });
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 600)));
        await Eventually.True(async () => (await Parked(app)).Count == 2, "both are parked");
        Assert.All(await Parked(app), m => Assert.Equal(("failed", true), (m.Reason, m.Detail.Contains("the books are jammed", StringComparison.Ordinal))));
        Assert.Equal([$"MenuPublished/{Other}", "UsageRecorded/1/1"], (await Parked(app)).Select(m => m.Id[..m.Id.LastIndexOf('/')]));
        var report = (await Parked(app))[1].Id;

        // Taken again with the cause still there, it stays where it is.
        Assert.Equal((false, "failed"), await Replay(app, report));
        Assert.Equal(2, (await Parked(app)).Count);
        await app.Sql<object>("drop trigger broken on billing.mt_events");
        foreach (var message in await Parked(app)) Assert.Equal((true, ""), await Replay(app, message.Id));
        Assert.Empty(await Parked(app));
        Assert.Equal("parked_unknown", (await Assert.ThrowsAsync<RpcException>(() => Replay(app, report))).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);

        Assert.Equal(Other, (await app.Billing.GetMenuTermsAsync(new() { MenuId = Other })).MenuId);
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(600, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines.Sum(l => l.Tokens));
        Assert.Equal(1, await app.Sql<long>("select count(*) from billing.mt_events where type = 'usage_applied'"));
        // Every order to take one again is an event, the one that was of no use too.
        Assert.Equal(3, await app.Sql<long>("select count(*) from billing.mt_events where type = 'replay_ordered' and data -> 'by' ->> 'actor' = 'ada'"));
    }

    [Fact]
    public async Task A_report_that_was_fetched_and_fails_is_parked_too_and_holds_up_no_other_shard()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await app.Sql<object>("""
            create function billing.broken() returns trigger language plpgsql as $$ begin raise exception 'the books are jammed'; end $$;
            create trigger broken before insert on billing.mt_events for each row when (new.type = 'usage_applied' and new.data::text like '%666%') execute function billing.broken();
            """);
        // Their messages are lost: both are missing until they are asked for.
        app.Usage.Record(1, Jan1, Line(subscription, "output", 666));
        app.Usage.Record(2, Jan1, Line(subscription, "output", 7));
        await app.Applied(2, 1);
        var parked = Assert.Single(await Parked(app));
        Assert.Equal(("UsageRecorded/1/1", "failed"), (parked.Id[..parked.Id.LastIndexOf('/')], parked.Reason));
        await app.Sql<object>("drop trigger broken on billing.mt_events");
        await app.Applied(1, 1);
        Assert.Empty(await Parked(app));
    }

    [Fact]
    public async Task An_order_to_take_it_again_is_done_once_under_its_key_and_only_kept_when_it_was()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        // A report that speaks of a plan that the subscription never had, until it has.
        var report = app.Usage.Record(1, Jan1, Line(subscription, "output", 600) with { PlanId = Small });
        await app.Publish(report);
        await Eventually.True(async () => (await Parked(app)).Count == 1, "it is parked");
        Metadata key = new() { { "idempotency-key", "again" }, { "actor", "ada" } };
        var request = new Contracts.Billing.V1.ReplayParkedMessageRequest { Id = (await Parked(app))[0].Id };
        Assert.False((await app.Operations.ReplayParkedMessageAsync(request, key)).Taken);
        await app.Billing.ChangePlanAsync(new() { SubscriptionId = subscription.SubscriptionId, PlanId = Small, When = Contracts.Billing.V1.EffectiveWhen.Now });
        await Eventually.True(async () => (await app.Billing.GetAppliedReportsAsync(new())).Shards.Any(s => s.ThroughNumber == 1) || (await app.Operations.ReplayParkedMessageAsync(request, key)).Taken, "it is taken");
        Assert.Empty(await Parked(app));
    }

    [Fact]
    public async Task A_shard_that_stopped_is_resumed_by_somebody_for_a_reason()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 6)));
        await app.Applied(1, 1);
        await app.Sql<object>("update billing.usage_shard set stopped = 'somebody pulled the plug' where shard = 1");
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 7)));
        Assert.Equal("somebody pulled the plug", (await app.Billing.GetAppliedReportsAsync(new())).Shards.Single().Stopped);

        Metadata by = new() { { "actor", "ada" }, { "reason", "plugged%20in%20again" } };
        var resumed = await app.Operations.ResumeShardAsync(new() { Shard = 1 }, by);
        Assert.Equal((true, "somebody pulled the plug"), (resumed.Resumed, resumed.Stopped));
        await app.Applied(1, 2);
        Assert.False((await app.Operations.ResumeShardAsync(new() { Shard = 1 }, by)).Resumed);
        Assert.Equal("ada: plugged in again", await app.Sql<string>("select string_agg(data -> 'by' ->> 'actor' || ': ' || (data -> 'by' ->> 'reason'), ', ') from billing.mt_events where type = 'shard_resumed'"));
        Assert.Equal("shard_unknown", (await Assert.ThrowsAsync<RpcException>(async () => await app.Operations.ResumeShardAsync(new() { Shard = 9 }, by))).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
    }

    [Fact]
    public async Task A_report_that_cannot_be_read_is_parked_as_it_came_and_fetched_by_its_number()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await app.Send(UsageRecordedConsumer.Queue, new GarbledReport("one", "all of them"));
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 5)));
        await app.Applied(1, 1);
        var parked = await Eventually.Some(async () => (await Parked(app)).SingleOrDefault(), "it is parked");
        Assert.Equal("unreadable", parked.Reason);
        Assert.Contains("all of them", parked.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_even_be_read_is_kept_as_it_came_and_stops_nobody()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Send(MenuPublishedConsumer.Queue, new GarbledMenu(Other, "all of them"));
        await app.Publish(TheMenu with { MenuId = Other });
        await Eventually.True(async () => (await app.Billing.GetMenuTermsAsync(new() { MenuId = Other })).MenuId == Other, "the menu behind it is taken");
        var parked = await Eventually.Some(async () => (await Parked(app)).SingleOrDefault(), "it is parked");
        Assert.Equal("unreadable", parked.Reason);
        Assert.Contains("all of them", parked.Body, StringComparison.Ordinal);
        Assert.Equal((false, "unreadable"), await Replay(app, parked.Id));
        Assert.Single(await Parked(app));
    }

    [Fact]
    public async Task A_message_of_a_kind_that_nobody_knows_is_parked_as_it_came()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Send(UsageRecordedConsumer.Queue, new UsageRenamed("said in another word"));
        var parked = await Eventually.Some(async () => (await Parked(app)).SingleOrDefault(), "it is parked");
        Assert.Equal("type_unknown", parked.Reason);
        Assert.Contains("UsageRenamed", parked.Detail, StringComparison.Ordinal);
        Assert.Contains("said in another word", parked.Body, StringComparison.Ordinal);
        Assert.Equal((false, "type_unknown"), await Replay(app, parked.Id));
        Assert.Single(await Parked(app));
    }

    [Fact]
    public async Task Two_that_contradict_what_is_known_in_two_ways_are_both_kept()
    {
        await using var app = await BillingApp.StartAsync();
        foreach (var name in new[] { "Summer", "Autumn", "Summer" }) await app.Publish(TheMenu with { Name = name });
        await Eventually.True(async () => (await Parked(app)).Count == 2, "both are parked");
        Assert.All(await Parked(app), m => Assert.Equal("menu_changed", m.Reason));
        Assert.Equal(["Autumn", "Summer"], (await Parked(app)).Select(m => m.Body.Contains("Summer", StringComparison.Ordinal) ? "Summer" : "Autumn").Order());
    }

    [Fact]
    public async Task A_report_that_comes_again_with_other_lines_is_parked_and_changes_nothing()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        var report = app.Usage.Record(1, Jan1, Line(subscription, "output", 600), Line(subscription, "reasoning", 5));
        await app.Publish(report);
        await app.Applied(1, 1);
        await app.Publish(report with { Lines = [.. report.Lines.Reverse()] });
        await app.Publish(report with { Lines = [Line(subscription, "output", 6_000)] });
        var parked = await Eventually.Some(async () => (await Parked(app)).SingleOrDefault(), "it is parked");
        Assert.Equal("report_changed", parked.Reason);
        Assert.Contains("6000", parked.Body, StringComparison.Ordinal);
        Assert.Equal((false, "report_changed"), await Replay(app, parked.Id));
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 1)));
        await app.Applied(1, 2);
        Assert.Single(await Parked(app));
        Assert.Equal(2, await app.Sql<long>("select count(*) from billing.mt_events where type = 'usage_applied'"));

        Metadata by = new() { { "actor", "ada" }, { "reason", "a%20broken%20sender" } };
        for (var time = 0; time < 2; time++) await app.Operations.SetAsideParkedMessageAsync(new() { Id = parked.Id }, by);
        Assert.Empty(await Parked(app));
        var aside = Assert.Single((await app.Operations.ListParkedMessagesAsync(new() { IncludeSetAside = true })).Messages);
        Assert.Equal((parked.Body, Jan1), (aside.Body, aside.SetAsideAt.ToDateTimeOffset()));
        Assert.Equal("ada: a broken sender", await app.Sql<string>("select string_agg(data -> 'by' ->> 'actor' || ': ' || (data -> 'by' ->> 'reason'), ', ') from billing.mt_events where type = 'message_set_aside'"));
    }

    [Fact]
    public async Task What_something_waits_for_cannot_be_set_aside()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        await app.Publish(app.Usage.Record(1, Jan1, Line(subscription, "output", 600) with { PlanId = Small }));
        var parked = await Eventually.Some(async () => (await Parked(app)).SingleOrDefault(), "it is parked");
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await app.Operations.SetAsideParkedMessageAsync(new() { Id = parked.Id }));
        Assert.Equal((StatusCode.FailedPrecondition, "parked_waited_for"), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
        Assert.Single(await Parked(app));
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events where type = 'message_set_aside'"));
    }

    private static async Task<IReadOnlyList<Contracts.Billing.V1.ParkedMessage>> Parked(BillingApp app) => (await app.Operations.ListParkedMessagesAsync(new())).Messages;

    private static async Task<(bool, string)> Replay(BillingApp app, string id)
    {
        var answer = await app.Operations.ReplayParkedMessageAsync(new() { Id = id }, new Metadata { { "actor", "ada" }, { "reason", "mended" } });
        return (answer.Taken, answer.Reason);
    }
}
