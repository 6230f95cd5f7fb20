using Contracts.Usage.V1;
using Grpc.Core;

namespace Usage.Host.Tests;

public sealed class When_a_generation_is_metered
{
    [Fact]
    public async Task Tokens_are_granted_counted_acknowledged_and_reported()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 600), Samples.Hard("billing_period", 12_000)));
        await using var stream = new RuntimeStream(service.Meter);

        await stream.SendAsync(Samples.Start("g1", "alice", input: 40));
        Assert.Equal(256, (await stream.GrantOf("g1")).TokensAllowed);
        await stream.SendAsync(Samples.Chunk("g1", 1, 100, 50));
        Assert.Equal(512, (await stream.GrantOf("g1", g => g.TokensAllowed > 256)).TokensAllowed);
        await stream.SendAsync(Samples.Chunk("g1", 2, 350, 50));
        var last = await stream.GrantOf("g1", g => g.TokensAllowed == 600);
        Assert.Equal((true, "cap_reached", "conversation"), (last.Final, last.Reason, last.Window));
        await stream.SendAsync(Samples.Chunk("g1", 3, 550, 50));
        Assert.Equal("conversation", (await stream.StopOf("g1", "cap_reached")).Window);
        await stream.SendAsync(Samples.Finish("g1", 4, FinishReason.Cap));
        Assert.True((await stream.AckOf("g1", 4)).Finished);
        await stream.CompleteAsync();

        var heads = await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await Eventually.True(() => heads.Heads.All(h => Enumerable.Range(1, (int)h.ReportNumber).All(n => service.Reports.ContainsKey((h.Shard, n)))), "every report has arrived");
        var lines = service.Reports.Values.SelectMany(r => r.Lines).GroupBy(l => l.Kind).ToDictionary(g => g.Key, g => g.Sum(l => l.Tokens));
        Assert.Equal(new Dictionary<string, long> { ["input"] = 40, ["output"] = 550, ["reasoning"] = 50 }, lines);
        Assert.All(service.Reports.Values.SelectMany(r => r.Lines), l =>
        {
            Assert.Equal(Samples.SubscriptionId("alice"), l.SubscriptionId);
            Assert.Equal(Samples.PeriodId("alice", 0), l.PeriodId);
            Assert.Equal(Samples.PlanId("small"), l.PlanId);
            Assert.Equal(Samples.Feb1, l.PeriodEnd);
        });
    }

    [Fact]
    public async Task The_unary_twin_does_the_same()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("bob", Samples.Hard("conversation", 1_000)));

        var authorized = await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("u1", "bob", input: 7), TokensWanted = 5_000 });
        Assert.Equal(1_000, authorized.Grant.TokensAllowed);
        Assert.True(authorized.Grant.Final);
        var reported = await service.Meter.ReportAsync(new ReportRequest { Chunk = Samples.Chunk("u1", 1, 300) });
        Assert.Equal(1, reported.Ack.Sequence);
        Assert.Equal(1_000, reported.Grant.TokensAllowed);
        var finish = Samples.Finish("u1", 2);
        finish.Totals = new TokenCounts { Output = 400, Reasoning = 20 };
        var settled = await service.Meter.SettleAsync(new SettleRequest { Finish = finish });
        Assert.True(settled.Ack.Finished);
        Assert.Equal(new TokenCounts { Input = 7, Output = 400, Reasoning = 20 }, settled.Recorded);
        Assert.Equal(settled, await service.Meter.SettleAsync(new SettleRequest { Finish = finish }));

        var balance = await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("bob"), Conversation = "c1" });
        var window = Assert.Single(balance.Windows);
        Assert.Equal((420, 0, 1_000), (window.UsedTokens, window.ReservedTokens, window.CapTokens));
        Assert.Equal("frame_invalid", Reason(await Assert.ThrowsAsync<RpcException>(async () => await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish("u1", 3, FinishReason.Unspecified) }))));
        Assert.Equal("generation_finished", Reason(await Assert.ThrowsAsync<RpcException>(async () => await service.Meter.ReportAsync(new ReportRequest { Chunk = Samples.Chunk("u1", 3, 500) }))));
    }

    /// <summary>What a refusal is called; the whole status where it is none of ours.</summary>
    internal static string Reason(RpcException e) => e.GetRpcStatus()?.GetDetail<Google.Rpc.ErrorInfo>()?.Reason ?? e.Status.ToString();
}
