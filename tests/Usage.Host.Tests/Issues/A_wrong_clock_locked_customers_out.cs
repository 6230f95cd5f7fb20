using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>The clock of a machine stood forty days ahead for a moment, and the windows that were opened in it stayed the open ones for all those days.</summary>
public sealed class A_wrong_clock_locked_customers_out
{
    [Fact]
    public async Task U2_a_window_of_the_far_future_is_left_alone_and_what_is_used_today_stays_used()
    {
        var ahead = Samples.Jan1.AddDays(20);
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("five_hours", 300)));
        await GenerateAsync(service, "g1", 200, Samples.Jan1);
        Assert.Null(service.Clock.MoveTo(ahead));
        await GenerateAsync(service, "g2", 300, ahead);
        await service.StopHostAsync();

        service.Set("Clock:Start", $"{Samples.Jan1.AddHours(1):yyyy-MM-ddTHH:mm:ssZ}");
        await service.StartHostAsync();
        await service.ReadyAsync();
        var balance = await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") });
        Assert.Equal((200, Samples.Jan1), (Assert.Single(balance.Windows).UsedTokens, balance.Windows[0].OpenedAt.ToDateTimeOffset()));
        var grant = await GenerateAsync(service, "g3", 100, Samples.Jan1.AddHours(1));
        Assert.Equal(100, grant.TokensAllowed);
    }

    private static async Task<Grant> GenerateAsync(UsageService service, string name, long output, DateTimeOffset at)
    {
        var start = Samples.Start(name, "alice", name);
        start.GenerationId = Samples.GenerationId(name, at);
        var answer = await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start, TokensWanted = output });
        await service.Meter.SettleAsync(new SettleRequest
        {
            Finish = new Finish { GenerationId = start.GenerationId, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = output } },
        });
        return answer.Grant;
    }
}
