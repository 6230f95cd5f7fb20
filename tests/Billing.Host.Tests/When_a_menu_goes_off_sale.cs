using Contracts.Billing.V1;
using Contracts.Messages;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_menu_goes_off_sale
{
    private static readonly string Other = Ids.Derive(Ids.Menu, Jan1, "other");
    private static readonly MenuRetired Retired = new(Menu, "a better one is on sale", Jan1.AddDays(3));

    [Fact]
    public async Task It_is_kept_by_those_who_have_it_and_sold_to_nobody()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Publish(TheMenu with { MenuId = Other, Plans = [TheMenu.Plans[0] with { PlanId = Ids.Derive(Ids.Plan, Jan1, "another") }] });
        var subscription = await app.Subscribe(Small);
        await app.Publish(Retired);
        await Eventually.True(async () => (await app.Billing.GetMenuTermsAsync(new() { MenuId = Menu })).RetiredAt?.ToDateTimeOffset() == Retired.RetiredAt, "billing heard that the menu is off sale");

        var refused = await Assert.ThrowsAsync<RpcException>(() => app.Subscribe(Small, "late"));
        Assert.Equal((StatusCode.FailedPrecondition, "menu_retired"), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));
        Assert.Contains("2026-01-04 00:00:00Z (a better one is on sale): take a menu that is on sale", refused.Status.Detail, StringComparison.Ordinal);
        var change = new ChangePlanRequest { SubscriptionId = subscription.SubscriptionId, PlanId = Metered, When = EffectiveWhen.Now };
        Assert.Equal("menu_retired", await Reason(() => app.Billing.ChangePlanAsync(change)));
        Assert.Equal("menu_retired", await Reason(() => app.Billing.PreviewChangeAsync(new() { Plan = change })));
        await Eventually.True(async () => (await app.Billing.GetMenuTermsAsync(new() { MenuId = Other })).Plans.Count == 1, "billing has the other menu");
        await app.Publish(Retired with { MenuId = Other });
        await Eventually.True(async () => (await app.Billing.GetMenuTermsAsync(new() { MenuId = Other })).RetiredAt is not null, "billing heard of the other one");
        Assert.Equal("menu_retired", await Reason(() => app.Billing.MigrateSubscriptionAsync(
            new() { SubscriptionId = subscription.SubscriptionId, MenuId = Other, PlanId = Ids.Derive(Ids.Plan, Jan1, "another") })));

        // Who has it pays for the next period as for the last.
        await app.Advance(Mar1.AddHours(1));
        Assert.Equal(2, (await app.FinalInvoices()).Count(i => i.TotalMicros == 20_000_000));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
    }

    [Theory, InlineData("menu first"), InlineData("retired first"), InlineData("each twice")]
    public async Task B6_order_and_repetition_change_nothing(string how)
    {
        await using var app = await BillingApp.PrepareAsync();
        await app.ListenAsync();
        await app.RunAsync();
        object[] sent = how switch
        {
            "menu first" => [TheMenu, Retired],
            "retired first" => [Retired, TheMenu],
            _ => [Retired, TheMenu, TheMenu, Retired],
        };
        foreach (var message in sent)
        {
            // One after the other: two queues have no order between them.
            var parkedOrStored = await Stored();
            if (message is MenuPublished published) await app.Publish(published);
            else await app.Publish((MenuRetired)message);
            if (parkedOrStored < 2) await Eventually.True(async () => await Stored() == parkedOrStored + 1, $"{message.GetType().Name} is taken");
        }
        Assert.NotNull((await app.Billing.GetMenuTermsAsync(new() { MenuId = Menu })).RetiredAt);
        Assert.Equal("menu_retired", await Reason(() => app.Subscribe(Small)));
        // What comes behind the repeated ones was taken after them.
        await app.Publish(Retired with { MenuId = Other });
        await app.Publish(TheMenu with { MenuId = Other });
        await Eventually.True(async () => await Stored() == 4, "the other menu is taken");
        Assert.Empty((await app.Operations.ListParkedMessagesAsync(new())).Messages);

        // Of menus only: the refused subscriber made a customer, and of two at once on one stream the second leaves a tombstone before it is taken again.
        Task<long> Stored() => app.Sql<long>("select count(*) from billing.mt_events where type like 'menu%'");
    }

    [Fact]
    public async Task One_that_cannot_be_read_is_parked_and_stops_nobody()
    {
        await using var app = await BillingApp.StartAsync();
        await app.Publish(Retired with { MenuId = "the old one" });
        var parked = await Eventually.Some(async () => (await app.Operations.ListParkedMessagesAsync(new())).Messages.SingleOrDefault(), "it is parked");
        Assert.Equal(("MenuRetired/the old one", "menu_malformed"), (parked.Id[..parked.Id.LastIndexOf('/')], parked.Reason));
        await app.Publish(Retired);
        await Eventually.True(async () => (await app.Billing.GetMenuTermsAsync(new() { MenuId = Menu })).RetiredAt is not null, "the one behind it is taken");
    }

    [Fact]
    public async Task Who_chose_in_some_time_is_counted_by_the_last_choice_whatever_became_of_it()
    {
        await using var app = await BillingApp.StartAsync();
        var first = await app.Subscribe(Small, "first");
        await app.Advance(Jan1.AddDays(10));
        var second = await app.Subscribe(Small, "second");
        var third = await app.Subscribe(Metered, "third");
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = second.SubscriptionId, When = EffectiveWhen.Now });
        await app.Advance(Jan1.AddDays(20));
        await app.Billing.ChangePlanAsync(new() { SubscriptionId = first.SubscriptionId, PlanId = Metered, When = EffectiveWhen.Now });
        await app.Billing.ChangePlanAsync(new() { SubscriptionId = third.SubscriptionId, PlanId = Small, When = EffectiveWhen.Now });

        async Task<IEnumerable<(string, long)>> Chose(DateTimeOffset? from, DateTimeOffset? until)
        {
            var counts = await app.Billing.CountSubscriptionsByPlanAsync(new() { MenuId = Menu, ChosenFrom = from?.ToTimestamp(), ChosenUntil = until?.ToTimestamp() });
            return counts.Counts.Select(c => (c.PlanId == Small ? "small" : "metered", c.Subscriptions)).Order();
        }
        Assert.Equal([("metered", 1L), ("small", 1L)], await Chose(null, null));
        Assert.Equal([("small", 1L)], await Chose(null, Jan1.AddDays(5)));
        Assert.Equal([("metered", 1L), ("small", 1L)], await Chose(Jan1.AddDays(5), Jan1.AddDays(15)));
        Assert.Equal([("metered", 1L), ("small", 1L)], await Chose(Jan1.AddDays(15), null));
        Assert.Equal([("metered", 1L), ("small", 2L)], await Chose(Jan1, null));
        Assert.Empty((await app.Billing.CountSubscriptionsByPlanAsync(new() { MenuId = Other, ChosenFrom = Jan1.ToTimestamp() })).Counts);
    }

    private static async Task<string> Reason<T>(Func<AsyncUnaryCall<T>> call) => await Reason(async () => await call());

    private static async Task<string> Reason(Func<Task> call) => (await Assert.ThrowsAsync<RpcException>(call)).GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason;
}
