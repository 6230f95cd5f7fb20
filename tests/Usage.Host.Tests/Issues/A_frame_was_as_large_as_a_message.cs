using Contracts.Usage.V1;
using Grpc.Core;

namespace Usage.Host.Tests.Issues;

/// <summary>Answers that wait were counted and not weighed, and repeat the id that was said: one client that did not read could fill the memory with ids of 4 MiB.</summary>
public sealed class A_frame_was_as_large_as_a_message
{
    private static readonly string Id = new('x', 100_000);

    [Fact]
    public async Task A_frame_that_is_larger_than_any_that_makes_sense_is_refused_and_its_id_is_not_said_back_whole()
    {
        await using var service = await StartAsync();
        await using var stream = new RuntimeStream(service.Meter);
        var start = Samples.Start("s", "alice");
        start.GenerationId = Id;
        await stream.SendAsync(start);
        await stream.SendAsync(new Renew { GenerationId = Id });
        await stream.SendAsync(new Chunk { GenerationId = Id, Sequence = 7 });
        await stream.SendAsync(new Finish { GenerationId = Id, Sequence = 8 });
        await Eventually.True(() => stream.Answers.Count == 4, "each is answered");
        Assert.Equal((Id[..64], "frame_invalid"), (stream.Answers[0].Deny.GenerationId, stream.Answers[0].Deny.Reason));
        Assert.Equal([(Id[..64], 0L), (Id[..64], 7L), (Id[..64], 8L)], stream.Answers.Skip(1).Select(f => (f.Rejection.GenerationId, f.Rejection.Sequence)));
        Assert.All(stream.Answers.Skip(1), f => Assert.Equal(("frame_invalid", "a frame has at most 1024 bytes"), (f.Rejection.Reason, f.Rejection.Detail)));
    }

    [Fact]
    public async Task A_call_with_such_a_frame_is_refused()
    {
        await using var service = await StartAsync();
        var (start, chunk, finish) = (Samples.Start("s", "alice"), Samples.Chunk("s", 1, 10), Samples.Finish("s", 1));
        start.GenerationId = chunk.GenerationId = finish.GenerationId = Id;
        await RefusedAsync(async () => await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start }));
        await RefusedAsync(async () => await service.Meter.ReportAsync(new ReportRequest { Chunk = chunk }));
        await RefusedAsync(async () => await service.Meter.SettleAsync(new SettleRequest { Finish = finish }));

        static async Task RefusedAsync(Func<Task> call)
        {
            var refused = await Assert.ThrowsAsync<RpcException>(call);
            Assert.Equal((StatusCode.InvalidArgument, "frame_invalid"), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
            Assert.Contains("1024 bytes", refused.Status.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_longest_frame_that_makes_sense_passes_the_least_bound_that_may_be_set()
    {
        await using var service = await StartAsync(("Usage:FrameBytesMax", "512"));
        await using var stream = new RuntimeStream(service.Meter);
        var start = Samples.Start("s", "alice", new string('c', 128), maxOutput: 1_000_000_000, mode: CountMode.Increment);
        (start.Model, start.Asker, start.Attempt, start.Resumed) = (new string('m', 128), ulong.MaxValue, int.MaxValue, true);
        start.Prompt = new TokenCounts { Input = 1_000_000_000, CachedInput = 1_000_000_000, CacheCreation = 1_000_000_000 };
        await stream.SendAsync(start);
        await stream.GrantOf("s");
    }

    private static async Task<UsageService> StartAsync(params (string Name, string Value)[] settings)
    {
        var service = await UsageService.StartAsync(settings);
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        return service;
    }
}
