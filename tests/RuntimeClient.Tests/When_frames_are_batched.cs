using Contracts.Usage.V1;
using Google.Protobuf;
using Grpc.Core.Interceptors;
using Usage.Host.Tests;

namespace RuntimeClient.Tests;

/// <summary>Many generations share one stream, and what they count travels in few messages.</summary>
[Collection(OneService.Name)]
public sealed class When_frames_are_batched(SharedService shared)
{
    // Nothing is said for the clock's sake alone.
    private static readonly MeterOptions Patient = new() { ReportWithin = TimeSpan.FromHours(1), RetransmitAfter = TimeSpan.FromDays(1), SilenceMax = TimeSpan.FromDays(1) };

    [Theory, InlineData("batched", 1_200, 500, 4), InlineData("batched by seven", 50, 7, 9)]
    public async Task What_many_generations_say_at_once_goes_out_in_few_messages(string name, int generations, int framesMax, int messagesMax)
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot(name));
        var line = new RecordedLine();
        await using var meter = Connect(line, Patient with { FramesPerMessageMax = framesMax });
        await using var first = await meter.StartAsync(SharedService.Request($"{name} first", name, "first"));
        line.HoldWords();
        var open = line.Messages.Count;
        var starting = Enumerable.Range(0, generations).Select(n => meter.StartAsync(SharedService.Request($"{name} {n}", name, $"c{n}"))).ToArray();
        line.PassWords();
        var running = await Task.WhenAll(starting);
        Assert.InRange(line.Messages.Skip(open).Count(m => m.Frames.Any(f => f.Start is not null)), 1, messagesMax);

        line.HoldWords();
        var before = line.Messages.Count;
        // Two reports each and an end; a message for every frame would be three times as many as there are generations.
        foreach (var generation in running) generation.Count(40);
        foreach (var generation in running) generation.Count(40);
        var finishing = running.Select(g => g.FinishAsync()).ToArray();
        line.PassWords();
        await Task.WhenAll(finishing);
        Assert.InRange(line.Messages.Count - before, 1, 1 + (((3 * generations) + framesMax - 1) / framesMax));

        Assert.All(line.Messages, m => Assert.InRange(m.Frames.Count, 1, framesMax));
        Assert.Equal(1, line.Streams);
        foreach (var said in line.Messages.Skip(open).SelectMany(m => m.Frames).GroupBy(Of)) Assert.Equal(["Start", "Chunk", "Chunk", "Finish"], said.Select(f => f.FrameCase.ToString()));
        Assert.Equal(80 * generations, await RecordedAsync(name));
    }

    [Fact]
    public async Task A_generation_reports_when_it_has_counted_enough_when_time_has_passed_and_where_its_grant_ends()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("reports"));
        var (line, clock) = (new RecordedLine(), new RacingClock());
        await using var meter = Connect(line, Patient with { Time = clock });
        await using var generation = await meter.StartAsync(SharedService.Request("reports", "reports"));
        for (var token = 1; token < 32; token++) generation.Count(1);
        generation.Count(1);
        await ReportedAsync(32);

        generation.Count(1);
        clock.Jump(TimeSpan.FromHours(1));
        await ReportedAsync(32, 33);
        await Eventually.True(() => generation.ToString().Contains("0 of 2 frames", StringComparison.Ordinal), "both are acknowledged");

        // By that clock the grant has lapsed, so it is told anew. Its end is reported, however few tokens that is.
        var room = await generation.RoomAsync();
        generation.Count(room - 5);
        generation.Count(5);
        await ReportedAsync(32, 33, 33 + room - 5, 33 + room);

        Task ReportedAsync(params long[] totals) => Eventually.True(() => line.Frames.Where(f => f.Chunk is not null).Select(f => f.Chunk.Tokens.Output).SequenceEqual(totals), $"it has reported {string.Join(", ", totals)}");
    }

    [Fact]
    public async Task U3_after_a_break_only_what_is_not_acknowledged_is_said_again_and_as_it_was_said_before()
    {
        await shared.Service.SubscribeAsync(Samples.Snapshot("said again"));
        var line = new RecordedLine();
        await using var meter = Connect(line, Patient with { PauseMin = TimeSpan.FromMilliseconds(5) });
        await using var generation = await meter.StartAsync(SharedService.Request("said again", "said again"));
        generation.Count(32);
        await Eventually.True(() => generation.ToString().Contains("0 of 1 frames", StringComparison.Ordinal), "its first report is acknowledged");
        line.HoldAnswers();
        for (var report = 0; report < 3; report++) generation.Count(32);
        await Eventually.True(async () => await RecordedAsync("said again") == 128, "all of it is recorded, and nobody has heard of it");
        var before = line.Frames.ToArray();
        line.Break();
        line.PassAnswers();
        await Eventually.True(() => line.Streams == 2, "it has connected again");
        await generation.FinishAsync();

        var after = line.Frames.Skip(before.Length).ToArray();
        Assert.Equal(2, line.Streams);
        Assert.True(after[0].Start.Resumed);
        Assert.Equal(before.Where(f => f.Chunk?.Sequence > 1).Select(f => f.ToByteString()), after.Where(f => f.Chunk is not null).Select(f => f.ToByteString()));
        Assert.Equal([RuntimeFrame.FrameOneofCase.Start, RuntimeFrame.FrameOneofCase.Finish], after.Where(f => f.Chunk is null).Select(f => f.FrameCase));
        Assert.Equal((128, 0, 0), await shared.RecordedAsync("said again"));
    }

    [Theory, InlineData("Usage:FramesPerMessageMax", "20"), InlineData("Usage:MessageBytesMax", "2000")]
    public async Task A_meter_that_takes_smaller_messages_gets_smaller_ones(string setting, string most)
    {
        await using var service = await UsageService.StartAsync((setting, most));
        await service.SubscribeAsync(Samples.Snapshot("small messages"));
        var line = new RecordedLine();
        line.HoldWords();
        await using var meter = new MeterClient(service.Channel.CreateCallInvoker().Intercept(line), new() { PauseMin = TimeSpan.FromMilliseconds(5) });
        var starting = Enumerable.Range(0, 100).Select(n => meter.StartAsync(SharedService.Request($"small messages {n}", "small messages", $"c{n}"))).ToArray();
        line.PassWords();
        foreach (var generation in await Task.WhenAll(starting).WaitAsync(TimeSpan.FromSeconds(60)))
        {
            generation.Count(2);
            await generation.FinishAsync();
        }
        Assert.Equal(200, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
        Assert.Contains(line.Messages, m => m.Frames.Count > 20);
    }

    public static TheoryData<MeterOptions> Wrong => new(
        new() { FramesPerMessageMax = 0 }, new() { FramesPerMessageMax = 10_001 }, new() { TokensPerReport = 0 }, new() { ReportWithin = TimeSpan.Zero },
        new() { RetransmitAfter = TimeSpan.Zero }, new() { SilenceMax = TimeSpan.Zero }, new() { PauseMin = TimeSpan.Zero }, new() { PauseMax = TimeSpan.FromMilliseconds(1) }, new() { DisposeWithin = TimeSpan.FromSeconds(-1) });

    [Theory, MemberData(nameof(Wrong))]
    public void Options_that_cannot_work_are_refused(MeterOptions wrong) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new MeterClient(new Uri("http://127.0.0.1:1"), wrong));

    private MeterClient Connect(RecordedLine line, MeterOptions options) => new(shared.Service.Channel.CreateCallInvoker().Intercept(line), options);

    private Task<long> RecordedAsync(string subscription) =>
        shared.Service.ScalarAsync<long>($"select coalesce(sum(output), 0) from usage.token_event where subscription = '{Samples.SubscriptionId(subscription)[4..]}'");

    private static string Of(RuntimeFrame frame) => frame.Start?.GenerationId ?? frame.Chunk?.GenerationId ?? frame.Finish.GenerationId;
}
