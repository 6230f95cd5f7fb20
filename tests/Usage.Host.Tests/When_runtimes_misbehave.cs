using Contracts.Usage.V1;
using Grpc.Core;

namespace Usage.Host.Tests;

public sealed class When_runtimes_misbehave
{
    [Fact]
    public async Task Bad_input_is_refused_with_its_reason_and_hurts_nobody_else()
    {
        await using var service = await UsageService.StartAsync(("Usage:FramesPerMessageMax", "50"), ("Usage:MessageBytesMax", "20000"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 100_000)) with { Models = ["small-model"] });
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("good", "alice"));
        await stream.GrantOf("good");

        foreach (var (start, reason) in BadStarts())
        {
            await stream.SendAsync(start);
            var denied = await stream.Answer(f => f.Deny, d => d.GenerationId == start.GenerationId && d.Reason == reason);
            Assert.NotEmpty(denied.Detail);
        }
        await stream.SendAsync(new RuntimeFrame());
        Assert.Equal("frame_invalid", (await stream.Answer(f => f.Rejection, r => r.GenerationId.Length == 0)).Reason);
        await stream.SendAsync(Samples.Chunk("never-started", 1, 10));
        await stream.RejectionOf("never-started", "generation_unknown");
        await stream.SendAsync(new Renew { GenerationId = Samples.GenerationId("never-started") });
        foreach (var (chunk, reason) in BadChunks())
        {
            await stream.SendAsync(chunk);
            await stream.RejectionOf("good", reason);
        }

        await stream.SendAsync(Samples.Chunk("good", 1, 10));
        await stream.SendAsync(Samples.Finish("good", 2));
        Assert.True((await stream.AckOf("good", 2)).Finished);
        await stream.SendAsync(Samples.Chunk("good", 3, 20));
        await stream.RejectionOf("good", "generation_finished");
        Assert.Equal(10, await service.ScalarAsync<long>("select sum(output + overrun) from usage.token_event"));
    }

    [Fact]
    public async Task A_message_with_too_many_frames_ends_its_own_stream_only()
    {
        await using var service = await UsageService.StartAsync(("Usage:FramesPerMessageMax", "50"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        await using var stream = new RuntimeStream(service.Meter);
        var greedy = service.Meter.Meter();
        await greedy.RequestStream.WriteAsync(new MeterRequest { Frames = { Enumerable.Range(0, 51).Select(_ => new RuntimeFrame()) } });
        var ended = await Assert.ThrowsAsync<RpcException>(() => greedy.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal("frames_too_many", When_a_generation_is_metered.Reason(ended));
        await stream.SendAsync(Samples.Start("good", "alice"));
        await stream.GrantOf("good");
    }

    [Fact]
    public async Task Tokens_beyond_a_grant_are_recorded_as_overrun_and_stop_the_generation()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 300)));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 400));
        await stream.StopOf("g", "beyond_grant");
        await stream.SendAsync(Samples.Finish("g", 2, FinishReason.Cap));
        await stream.AckOf("g", 2);
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await Eventually.True(() => service.Reports.Values.SelectMany(r => r.Lines).Any(l => l.Kind == "overrun"), "the overrun is reported");
        Assert.Equal([("output", 256), ("overrun", 144)], service.Reports.Values.SelectMany(r => r.Lines).GroupBy(l => l.Kind).Select(g => (g.Key, g.Sum(l => l.Tokens))).Order());
    }

    [Fact]
    public async Task An_unknown_subscription_is_asked_for_once_and_denied()
    {
        await using var service = await UsageService.StartAsync();
        var authorized = await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "nobody") });
        Assert.Equal("subscription_unknown", authorized.Deny.Reason);
        await service.SubscribeAsync(Samples.Snapshot("nobody"));
        Assert.Equal(256, (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "nobody") })).Grant.TokensAllowed);
    }

    private static IEnumerable<(Start, string)> BadStarts()
    {
        Start With(string name, Action<Start> change)
        {
            var start = Samples.Start(name, "alice");
            change(start);
            return start;
        }
        yield return (With("b1", s => s.GenerationId = "gen_x"), "frame_invalid");
        yield return (With("b2", s => s.GenerationId = Ids.Derive(Ids.Generation, Samples.Jan1, "not version 7")), "frame_invalid");
        yield return (With("b3", s => s.SubscriptionId = "nobody"), "frame_invalid");
        yield return (With("b4", s => s.Conversation = ""), "frame_invalid");
        yield return (With("b5", s => s.Conversation = new string('x', 129)), "frame_invalid");
        yield return (With("b6", s => s.Model = "zero\0byte"), "frame_invalid");
        yield return (With("b7", s => s.MaxOutputTokens = -1), "frame_invalid");
        yield return (With("b8", s => s.Mode = (CountMode)7), "frame_invalid");
        yield return (With("b9", s => s.Prompt = new TokenCounts { Input = -1 }), "counts_negative");
        yield return (With("b10", s => s.Prompt = new TokenCounts { Input = long.MaxValue }), "counts_absurd");
        yield return (With("b11", s => s.Prompt = new TokenCounts { Output = 1 }), "counts_of_wrong_kind");
        yield return (With("b12", s => s.GenerationId = Samples.GenerationId("b12", Samples.Jan1.AddMinutes(6))), "generation_time_out_of_range");
        yield return (With("b13", s => s.GenerationId = Samples.GenerationId("b13", Samples.Jan1.AddDays(-36))), "generation_time_out_of_range");
        yield return (With("b14", s => s.Model = "large-model"), "model_not_in_plan");
        yield return (With("good", s => s.MaxOutputTokens = 5), "generation_reused");
    }

    private static IEnumerable<(Chunk, string)> BadChunks()
    {
        yield return (Samples.Chunk("good", 2, 10), "sequence_gap");
        yield return (Samples.Chunk("good", 0, 10), "frame_invalid");
        yield return (Samples.Chunk("good", 1, -5), "counts_negative");
        yield return (Samples.Chunk("good", 1, long.MaxValue), "counts_absurd");
        yield return (new Chunk { GenerationId = Samples.GenerationId("good"), Sequence = 1, Tokens = new TokenCounts { Input = 5 } }, "counts_of_wrong_kind");
        yield return (new Chunk { GenerationId = Samples.GenerationId("good"), Sequence = 1, At = new() { Seconds = long.MaxValue } }, "frame_invalid");
    }
}
