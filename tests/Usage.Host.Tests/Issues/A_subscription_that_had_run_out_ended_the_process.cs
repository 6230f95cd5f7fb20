using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// Billing had just been asked and had no newer periods, so the answer was there at once: the turn that needed it was taken again within itself, over the same
/// outcomes, until the stack was full. The runtime came back to the next instance, and that ended too.
/// </summary>
public sealed class A_subscription_that_had_run_out_ended_the_process
{
    private static readonly DateTimeOffset Feb20 = Samples.Feb1.AddDays(19);
    private static readonly string Generation = Samples.GenerationId("g", Feb20);

    [Fact]
    public async Task A_generation_that_needs_newer_terms_which_billing_does_not_have_is_stopped_and_counted_once()
    {
        await using var billing = await BillingStandIn.StartAsync();
        await using var service = await StartAsync(billing);
        await using var stream = new RuntimeStream(service.Meter);
        await GrantedAsync(stream);

        Assert.Null(service.Clock.MoveTo(Samples.Mar1));
        var late = Samples.Start("late", "alice", "c2");
        late.GenerationId = Samples.GenerationId("late", Samples.Mar1);
        await stream.SendAsync(late);
        Assert.Equal("subscription_stale", (await stream.Answer(f => f.Deny, d => d.GenerationId == late.GenerationId)).Reason);
        await stream.SendAsync(new Chunk { GenerationId = Generation, Sequence = 1, Tokens = new TokenCounts { Output = 200 } });
        Assert.Equal("subscription_stale", (await stream.Answer(f => f.Stop, s => s.GenerationId == Generation)).Reason);
        await FinishedAsync(service, stream, 2, 200);
    }

    [Fact]
    public async Task A_generation_that_is_resumed_after_its_subscription_ran_out_is_stopped()
    {
        await using var billing = await BillingStandIn.StartAsync();
        await using var service = await StartAsync(billing);
        await using (var broken = new RuntimeStream(service.Meter)) await GrantedAsync(broken);

        await service.StopHostAsync();
        service.Set("Clock:Start", $"{Samples.Mar1:yyyy-MM-ddTHH:mm:ssZ}");
        await service.StartHostAsync();
        await service.ReadyAsync();
        await using var stream = new RuntimeStream(service.Meter);
        var again = Start();
        again.Resumed = true;
        await stream.SendAsync(again);
        Assert.Equal("subscription_stale", (await stream.Answer(f => f.Stop, s => s.GenerationId == Generation)).Reason);
        await FinishedAsync(service, stream, 1, 0);
    }

    private static async Task<UsageService> StartAsync(BillingStandIn billing)
    {
        var service = await UsageService.PrepareAsync(
            settings: [("Usage:BillingAddress", billing.Address), ("Usage:BillingAskedAgainSeconds", "3600"), ("Clock:Start", $"{Feb20:yyyy-MM-ddTHH:mm:ssZ}")]);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        return service;
    }

    private static Start Start()
    {
        var start = Samples.Start("g", "alice", input: 10);
        start.GenerationId = Generation;
        return start;
    }

    private static async Task GrantedAsync(RuntimeStream stream)
    {
        await stream.SendAsync(Start());
        await stream.Answer(f => f.Grant, g => g.GenerationId == Generation);
        await stream.Answer(f => f.Ack, a => a.GenerationId == Generation && a.Sequence == 0);
    }

    private static async Task FinishedAsync(UsageService service, RuntimeStream stream, long sequence, long output)
    {
        await stream.SendAsync(new Finish { GenerationId = Generation, Sequence = sequence, Reason = FinishReason.Cap });
        await stream.Answer(f => f.Ack, a => a.GenerationId == Generation && a.Finished);
        Assert.Equal(output, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
        await LedgerChecks.HoldAsync(service);
    }
}
