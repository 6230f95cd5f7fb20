using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// Two instances whose clocks are two seconds apart: the first has turned the five hours, the second still found the window before open, in whatever order the
/// table had them, and opened a third when its own clock got there. And a clock that stood far ahead for a moment left windows behind that stayed the open ones
/// until then.
/// </summary>
public sealed class A_window_was_opened_again
{
    [Fact]
    public async Task U1_what_is_used_in_a_window_stays_used_when_the_next_owner_s_clock_is_behind()
    {
        var turn = Samples.Jan1.AddHours(5);
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("five_hours", 300)));
        await GenerateAsync(service, "g1", 200, Samples.Jan1);
        Assert.Null(service.Clock.MoveTo(turn));
        await GenerateAsync(service, "g2", 250, turn);
        await service.StopHostAsync();
        // Where a row lies in its table, and how a small one is read, is PostgreSQL's business.
        Assert.Equal(1, await service.ScalarAsync<long>($"update usage.window_total set output = output where opened_at < '{turn:O}'; analyze usage.window_total; select 1"));

        service.Set("Clock:Start", $"{turn.AddSeconds(-2):yyyy-MM-ddTHH:mm:ssZ}");
        await service.StartHostAsync();
        await service.ReadyAsync();
        foreach (var at in new[] { turn.AddSeconds(-2), turn })
        {
            Assert.Null(service.Clock.MoveTo(at));
            var window = Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows);
            Assert.Equal((250, turn), (window.UsedTokens, window.OpenedAt.ToDateTimeOffset()));
        }
    }

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
        var window = Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows);
        Assert.Equal((200, Samples.Jan1), (window.UsedTokens, window.OpenedAt.ToDateTimeOffset()));
        Assert.Equal(100, (await GenerateAsync(service, "g3", 100, Samples.Jan1.AddHours(1))).TokensAllowed);
    }

    private static async Task<Grant> GenerateAsync(UsageService service, string name, long output, DateTimeOffset at)
    {
        var start = Samples.Start(name, "alice");
        start.GenerationId = Samples.GenerationId(name, at);
        var answer = await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start, TokensWanted = output });
        await service.Meter.SettleAsync(new SettleRequest
        {
            Finish = new Finish { GenerationId = start.GenerationId, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = output } },
        });
        return answer.Grant;
    }
}
