using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>A Start that the tables knew was answered from them, and its conversation stayed in memory for ever; or it ran, however many ran already.</summary>
public sealed class Starts_that_came_back_left_conversations_and_passed_a_bound
{
    [Fact]
    public async Task A_start_that_the_tables_answer_leaves_no_conversation_in_memory()
    {
        await using var service = await StartAsync();
        Assert.NotNull((await AuthorizeAsync(service, Samples.Start("g", "alice"))).Grant);
        await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("g", 1) });
        await AgainAsync(service);
        // Something of hers runs, so that her owner stays.
        Assert.NotNull((await AuthorizeAsync(service, Samples.Start("running", "alice", "running"))).Grant);

        Assert.Equal("generation_reused", (await AuthorizeAsync(service, Samples.Start("g", "alice", "another"))).Deny.Reason);
        Assert.Equal("generation_finished", (await AuthorizeAsync(service, Samples.Start("g", "alice"))).Deny.Reason);
        var owners = service.App.Services.GetRequiredService<OwnerDirectory>();
        var cell = owners.Pin(Ids.Parse(Ids.Subscription, Samples.SubscriptionId("alice")));
        lock (cell.Gate) Assert.Equal((true, false, false), (cell.Owner.Knows("running"), cell.Owner.Knows("another"), cell.Owner.Knows("c1")));
        owners.Unpin(cell);
    }

    [Fact]
    public async Task A_generation_that_is_resumed_counts_among_those_that_may_run()
    {
        await using var service = await StartAsync(("Usage:GenerationsPerSubscriptionMax", "1"));
        Assert.NotNull((await AuthorizeAsync(service, Samples.Start("first", "alice"))).Grant);
        await AgainAsync(service);
        Assert.NotNull((await AuthorizeAsync(service, Samples.Start("second", "alice", "c2"))).Grant);

        var resumed = Samples.Start("first", "alice");
        resumed.Resumed = true;
        Assert.Equal("generations_too_many", (await AuthorizeAsync(service, resumed)).Deny.Reason);
        await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("second", 1) });
        Assert.NotNull((await AuthorizeAsync(service, resumed)).Grant);
    }

    private static async Task<UsageService> StartAsync(params (string Name, string Value)[] settings)
    {
        var service = await UsageService.StartAsync(settings);
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        return service;
    }

    /// <summary>Another process would know no more: what it knows it has from the tables.</summary>
    private static async Task AgainAsync(UsageService service)
    {
        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
    }

    private static async Task<AuthorizeResponse> AuthorizeAsync(UsageService service, Start start) => await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start });
}
