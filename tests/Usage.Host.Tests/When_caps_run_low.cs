using Contracts.Messages;
using Contracts.Usage.V1;

namespace Usage.Host.Tests;

public sealed class When_caps_run_low
{
    [Fact]
    public async Task Thresholds_are_announced_once_per_window_across_restarts()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000), Samples.Hard("conversation", 900)));
        await GenerateAsync(service, "g1", 490);
        Assert.Empty(await AnnouncedAsync(service));
        await GenerateAsync(service, "g2", 20);
        await HeardAsync(service, ("percent_50", 510, 1_000));

        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await GenerateAsync(service, "g3", 100);
        await GenerateAsync(service, "g4", 200);
        await HeardAsync(service, ("percent_50", 510, 1_000), ("percent_80", 810, 1_000));
        // A smaller cap, and another window, have thresholds of their own.
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 820)) with { Version = 2 });
        await GenerateAsync(service, "g5", 10);
        await HeardAsync(service, ("percent_50", 510, 1_000), ("percent_80", 810, 1_000), ("percent_50", 810, 820), ("percent_80", 810, 820), ("percent_100", 820, 820));
        Assert.Null(service.Clock.MoveTo(Samples.Feb1.AddDays(4)));
        await GenerateAsync(service, "g6", 300, Samples.Feb1.AddDays(4));
        await HeardAsync(
            service, ("percent_50", 510, 1_000), ("percent_80", 810, 1_000), ("percent_50", 810, 820), ("percent_80", 810, 820), ("percent_100", 820, 820),
            ("projected_exhaustion", 300, 820));
        var projected = service.Thresholds.Values.Single(t => t.Threshold == "projected_exhaustion");
        // 300 tokens in four days are 820 in ten days and 22 hours and a half: long before March.
        Assert.Equal((Samples.Feb1, Samples.Mar1), (projected.WindowOpenedAt, projected.WindowClosesAt));
        Assert.Equal(Samples.Feb1.AddMinutes(4 * 24 * 60 * 820 / 300), projected.ExhaustedAt!.Value, TimeSpan.FromMinutes(1));
        Assert.All(service.Thresholds.Values, t => Assert.Equal((Samples.SubscriptionId("alice"), "billing_period", "hard", ""), (t.SubscriptionId, t.Window, t.Enforcement, t.Conversation)));
    }

    [Fact]
    public async Task A_threshold_that_a_correction_passes_is_announced_though_nothing_is_used_after_it()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000)));
        await GenerateAsync(service, "g1", 100);
        await service.Corrections.AmendUsageAsync(
            new AmendUsageRequest { GenerationId = Samples.GenerationId("g1"), Deltas = new TokenCounts { Output = 500 }, Author = "ada", Reason = "lost" }, new Grpc.Core.Metadata { { "idempotency-key", "k" } });
        await HeardAsync(service, ("percent_50", 600, 1_000));
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_cap_that_is_lowered_below_what_is_used_is_announced_though_nothing_more_is_granted(bool restarted)
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000)));
        await GenerateAsync(service, "g1", 500);
        await HeardAsync(service, ("percent_50", 500, 1_000));
        if (restarted)
        {
            // Nobody has it in memory when it is lowered: whoever reads it next says what has been passed.
            await service.StopHostAsync();
            await service.StartHostAsync();
            await service.ReadyAsync();
        }
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 400)) with { Version = 2 });
        Assert.Equal("cap_reached", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g2", "alice") })).Deny.Reason);
        await HeardAsync(service, ("percent_50", 500, 1_000), ("percent_50", 500, 400), ("percent_80", 500, 400), ("percent_100", 500, 400));
    }

    [Fact]
    public async Task Conversations_are_announced_where_that_is_asked_for()
    {
        await using var service = await UsageService.StartAsync(("Usage:AnnounceConversations", "true"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 100)));
        await GenerateAsync(service, "g1", 100);
        await HeardAsync(service, ("percent_50", 100, 100), ("percent_80", 100, 100), ("percent_100", 100, 100));
        Assert.All(service.Thresholds.Values, t => Assert.Equal(("conversation", "c1", null), (t.Window, t.Conversation, t.WindowOpenedAt)));
    }

    private static async Task GenerateAsync(UsageService service, string generation, long output, DateTimeOffset? at = null)
    {
        var start = Samples.Start(generation, "alice");
        start.GenerationId = Samples.GenerationId(generation, at ?? Samples.Jan1);
        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start, TokensWanted = output })).Grant);
        await service.Meter.SettleAsync(new SettleRequest
        {
            Finish = new Finish { GenerationId = start.GenerationId, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = output } },
        });
    }

    private static async Task HeardAsync(UsageService service, params (string, long, long)[] expected)
    {
        await Eventually.True(async () => (await AnnouncedAsync(service)).Length >= expected.Length, "the thresholds are announced");
        Assert.Equal(expected.Order(), (await AnnouncedAsync(service)).Order());
        Assert.Equal(expected.Length, await service.ScalarAsync<long>("select count(*) from usage.cap_threshold"));
    }

    /// <summary>All that was heard after a report went out: thresholds of a commit are published right after its report.</summary>
    private static async Task<(string, long, long)[]> AnnouncedAsync(UsageService service)
    {
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.cap_threshold where not published") == 0, "thresholds are marked");
        return [.. service.Thresholds.Values.Select(t => (t.Threshold, t.UsedTokens, t.CapTokens))];
    }
}
