using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host.Tests;

/// <summary>A database that answers and does not commit, as under somebody else's lock: clients wait, memory is bounded, and nothing is lost.</summary>
public sealed class When_the_database_is_slow
{
    private const int RowsWaitingMax = 100;

    [Fact]
    public async Task A_conversation_of_an_owner_in_memory_is_read_without_what_the_owner_knows()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("first", "alice") });
        await using (await TableLock.TakeAsync(service, "usage.subscription", "access exclusive"))
        {
            var start = Samples.Start("second", "alice");
            start.Conversation = "another";
            Assert.NotNull((await service.Meter.AuthorizeAsync(new() { Start = start })).Grant);
        }
    }

    [Fact]
    public async Task U3_chunks_wait_where_they_come_from_and_all_are_recorded_once_it_commits_again()
    {
        const int chunks = 2_000;
        await using var service = await UsageService.StartAsync(("Usage:RowsWaitingMax", $"{RowsWaitingMax}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.AckOf("g", 0);
        Task sending;
        await using (await TableLock.TakeAsync(service, "usage.token_event", "share"))
        {
            sending = SendAsync(stream, [.. Enumerable.Range(1, chunks).Select(n => new RuntimeFrame { Chunk = Samples.Chunk("g", n, n) })]);
            await FullAsync(service);
            Assert.InRange(Waiting(service), RowsWaitingMax, RowsWaitingMax + 1);
            Assert.DoesNotContain(stream.Answers, f => f.Ack is { Sequence: > 0 });
        }
        await sending;
        await stream.AckOf("g", chunks);
        Assert.Equal((chunks, chunks + 1), (await service.ScalarAsync<long>("select sum(output) from usage.token_event"), await service.ScalarAsync<long>("select count(*) from usage.token_event")));
        await LedgerChecks.HoldAsync(service);
    }

    [Fact]
    public async Task U3_Starts_wait_as_chunks_do_for_each_brings_a_row()
    {
        const int starts = 600;
        await using var service = await UsageService.StartAsync(("Usage:RowsWaitingMax", $"{RowsWaitingMax}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("warm", "alice"));
        await stream.AckOf("warm", 0);
        Task sending;
        await using (await TableLock.TakeAsync(service, "usage.token_event", "share"))
        {
            sending = SendAsync(stream, [.. Enumerable.Range(0, starts).Select(n => new RuntimeFrame { Start = Samples.Start($"g{n}", "alice", $"c{n}", input: 1) })]);
            await FullAsync(service);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.token_event") > 0, "a commit waits");
            Assert.InRange(Waiting(service), RowsWaitingMax, RowsWaitingMax + 8);
            var refused = service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("unary", "alice") }, deadline: TimeProvider.System.GetUtcNow().UtcDateTime.AddMilliseconds(200));
            Assert.Equal(Grpc.Core.StatusCode.DeadlineExceeded, (await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await refused)).StatusCode);
        }
        await sending;
        await Eventually.True(() => stream.Answers.Count(f => f.Grant is not null) >= starts, "each is granted");
        await Eventually.True(async () => await service.ScalarAsync<long>("select sum(input) from usage.token_event") == starts, "each prompt is recorded once");
        Assert.DoesNotContain(stream.Answers, f => f.Deny is not null);
    }

    [Fact]
    public async Task U3_frames_of_another_instance_are_taken_as_far_as_there_is_room_and_the_rest_when_they_come_again()
    {
        const int chunks = 150;
        await using var service = await UsageService.StartAsync(("Usage:RowsWaitingMax", $"{RowsWaitingMax}"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var intake = service.App.Services.GetRequiredService<Intake>();
        using var heard = new StreamOutlet(10_000, CancellationToken.None);
        RuntimeFrame[] frames =
        [
            new() { Start = Samples.Start("g", "alice") },
            .. Enumerable.Range(1, chunks).Select(n => new RuntimeFrame { Chunk = Samples.Chunk("g", n, n) }),
            new() { Start = Samples.Start("h", "alice", "c2", input: 1) },
            new() { Start = Samples.Start("i", "alice", "c3", input: 1) },
        ];
        await intake.TakeAsync(frames[..1], heard, CancellationToken.None);
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.token_event") == 1, "it is started");
        int taken;
        await using (await TableLock.TakeAsync(service, "usage.token_event", "share"))
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
            taken = await intake.TakeAsync(frames, heard, soon.Token);
            Assert.InRange(taken, 1, chunks);
        }
        Assert.Equal(frames.Length - taken, await intake.TakeAsync(frames[taken..], heard, CancellationToken.None));
        await Eventually.True(async () => await service.ScalarAsync<long>("select sum(output + input) from usage.token_event") == chunks + 2, "all is recorded once");
        Assert.Equal(chunks + 3, await service.ScalarAsync<long>("select count(*) from usage.token_event"));
    }

    /// <summary>One message, so that nothing but the service itself holds it back.</summary>
    private static Task SendAsync(RuntimeStream stream, RuntimeFrame[] frames) => stream.SendAsync(frames);

    private static Task FullAsync(UsageService service) => Eventually.True(() => Waiting(service) >= RowsWaitingMax, "as many rows wait as may");

    private static long Waiting(UsageService service) => service.App.Services.GetRequiredService<LedgerWriters>().Waiting().Max(w => w.Rows);
}
