using System.Diagnostics;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Xunit.Abstractions;

namespace Usage.Host.Tests;

/// <summary>Two instances, one of them a process of its own that is stopped in the middle of a commit (kill -STOP), and goes on when the other has taken its shards.</summary>
public sealed class When_an_instance_is_frozen(ITestOutputHelper output)
{
    private static readonly string[] Names = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"];

    [Fact]
    public async Task U1_U3_U4_U5_the_other_serves_its_shards_and_what_it_does_when_it_thaws_counts_for_nothing()
    {
        await using var first = await UsageService.StartAsync(
            ("Usage:Cluster:Mode", "Postgres"), ("Usage:Cluster:Port", "0"), ("Usage:Cluster:Address", "127.0.0.1"), ("Usage:Cluster:ProbeSeconds", "2"),
            ("Usage:TransactionIdleSecondsMax", "1"), ("Usage:LeaseSeconds", "3"), ("Usage:ReportIntervalMs", "50"));
        await Eventually.True(() => first.Held == 8, "the first holds all shards");
        foreach (var name in Names) await first.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 10_000)));
        await using var another = first.Another();
        var (process, grpc) = another.Apart();
        await using var _ = process;
        await process.StartAsync();
        await process.ReadyAsync();
        await Eventually.True(() => first.Held == 4, "the two share the shards");
        string[] theirs = [.. Names.Where(name => !first.Holds(name))];
        Assert.NotEmpty(theirs);

        using var channel = GrpcChannel.ForAddress(grpc);
        await using var before = new RuntimeStream(new(channel));
        foreach (var name in theirs)
        {
            await before.SendAsync(Samples.Start(name, name));
            await before.GrantOf(name);
            await before.AckOf(name, 0);
        }
        await using (await TableLock.TakeAsync(first, "usage.token_event", "share"))
        {
            // The first chunks are being committed, the second ones are counted in its memory.
            await before.SendAsync([.. theirs.Select(name => new RuntimeFrame { Chunk = Samples.Chunk(name, 1, 100) })]);
            await Eventually.True(async () => await TableLock.WaitersAsync(first, "usage.token_event") > 0, "a commit is under way");
            await before.SendAsync([.. theirs.Select(name => new RuntimeFrame { Chunk = Samples.Chunk(name, 2, 150) })]);
            await before.SendAsync(new Renew { GenerationId = Samples.GenerationId("nobody") });
            await before.RejectionOf("nobody", "generation_unknown");
            await process.FreezeAsync();
        }
        var since = Stopwatch.StartNew();
        await Eventually.True(() => first.Held == 8, "the other has taken its shards", TimeSpan.FromMinutes(2));
        output.WriteLine($"shards of the frozen instance were taken {since.Elapsed.TotalSeconds:0.0} s after it was frozen");
        await using var after = new RuntimeStream(first.Meter);
        foreach (var name in theirs)
        {
            await after.SendAsync(Samples.Start(name, name));
            await after.GrantOf(name);
            await after.SendAsync(Samples.Chunk(name, 1, 100));
            await after.AckOf(name, 1);
        }

        await process.ThawAsync();
        // However it says so, its streams end, and nothing was acknowledged that only it knew.
        Assert.Equal(StatusCode.Unavailable, (await before.GoodbyeAsync()).StatusCode);
        Assert.DoesNotContain(before.Answers, a => a.Ack is { Sequence: > 1 });
        Assert.Equal(theirs.Length * 100, await first.ScalarAsync<long>("select sum(output) from usage.token_event"));

        foreach (var name in theirs)
        {
            await after.SendAsync(Samples.Chunk(name, 2, 150));
            await after.SendAsync(Samples.Finish(name, 3));
            Assert.True((await after.AckOf(name, 3)).Finished);
        }
        await LedgerChecks.HoldAsync(first);
        Assert.Equal(
            (theirs.Length * 150, theirs.Length * 4, 0),
            (await first.ScalarAsync<long>("select sum(output) from usage.token_event"), await first.ScalarAsync<long>("select count(*) from usage.token_event"), await first.ScalarAsync<long>("select sum(overrun) from usage.token_event")));
    }
}
