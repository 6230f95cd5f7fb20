using Contracts.Usage.V1;
using Grpc.Net.Client;

namespace Usage.Host.Tests;

/// <summary>Totals of what runs are written with each report: between two of them they lack rows, and nobody who decides by them does.</summary>
public sealed class When_totals_wait_for_reports
{
    private const string Totals = "select g.last_sequence || ' ' || g.output || ' ' || g.reported_output || ' ' || c.output from usage.generation g join usage.conversation c using (subscription, conversation)";

    [Fact]
    public async Task Whoever_takes_the_shard_finds_them_whole_whichever_version_it_is()
    {
        await using var watch = await UsageService.PrepareAsync(settings: ("Usage:ReportIntervalMs", "20000"));
        var (process, address) = watch.Apart();
        await using var _ = process;
        await watch.ListenAsync();
        await process.StartAsync();
        using var channel = GrpcChannel.ForAddress(address);
        var meter = new TokenMeter.TokenMeterClient(channel);
        await watch.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        await using (var stream = new RuntimeStream(meter))
        {
            await AcknowledgedAsync(stream, "g", 10, 20, 30);
            await process.KillAsync();
        }

        // As an instance of a version that knows nothing of it would take it: the epoch alone, nothing else.
        await watch.ExecuteAsync("update usage.shard set epoch = epoch + 1");
        Assert.Equal("3 30 30 30", await watch.ScalarAsync<string>(Totals));
        await watch.ExecuteAsync("update usage.shard set epoch = epoch + 1");
        Assert.Equal("3 30 30 30", await watch.ScalarAsync<string>(Totals));
    }

    [Fact]
    public async Task U1_a_conversation_whose_generation_was_forgotten_is_read_when_its_total_is_whole()
    {
        await using var service = await UsageService.StartAsync(("Usage:LeaseSeconds", "1"), ("Usage:ReportIntervalMs", "6000"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 100)));
        await using var stream = new RuntimeStream(service.Meter);
        await ForgottenAsync(service, stream, "silent", 20, 40, 60);

        var answer = await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("next", "alice"), TokensWanted = 100 });
        Assert.Equal(40, answer.Grant.TokensAllowed);
    }

    [Fact]
    public async Task A_runtime_that_comes_back_after_it_was_forgotten_goes_on_where_it_was()
    {
        await using var service = await UsageService.StartAsync(("Usage:LeaseSeconds", "1"), ("Usage:ReportIntervalMs", "6000"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 100)));
        await using var stream = new RuntimeStream(service.Meter);
        await ForgottenAsync(service, stream, "g", 20, 40);

        // What was acknowledged comes again, for the answer may have been lost, and then the rest.
        await using var again = new RuntimeStream(service.Meter);
        await again.SendAsync(Samples.Chunk("g", 2, 40));
        Assert.Equal(2, (await again.AckOf("g", 2)).Sequence);
        await again.SendAsync(Samples.Start("g", "alice"));
        await again.GrantOf("g", g => g.TokensAllowed >= 70);
        await again.SendAsync(Samples.Chunk("g", 3, 70));
        await again.SendAsync(Samples.Finish("g", 4));
        await again.AckOf("g", 4);
        Assert.Equal("4 70 70 70", await service.ScalarAsync<string>(Totals));
    }

    /// <summary>A generation of Alice's says its totals one after the other, each once the one before is committed.</summary>
    private static async Task AcknowledgedAsync(RuntimeStream stream, string generation, params long[] totals)
    {
        await stream.SendAsync(Samples.Start(generation, "alice"));
        await stream.AckOf(generation, 0);
        for (var sequence = 1; sequence <= totals.Length; sequence++)
        {
            await stream.SendAsync(Samples.Chunk(generation, sequence, totals[sequence - 1]));
            await stream.AckOf(generation, sequence);
        }
    }

    /// <summary>And says nothing more, until its owner knows it no longer.</summary>
    private static async Task ForgottenAsync(UsageService service, RuntimeStream stream, string generation, params long[] totals)
    {
        await AcknowledgedAsync(stream, generation, totals);
        await Eventually.True(() => !service.Knows(generation), "its lease has ended, and its owner has forgotten it");
    }
}
