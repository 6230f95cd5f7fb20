using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Owners;

namespace Usage.Host.Tests;

public sealed class When_frames_come_again
{
    [Fact]
    public async Task U3_resends_reconnects_and_duplicate_streams_count_every_chunk_once()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var first = new RuntimeStream(service.Meter);
        await using var second = new RuntimeStream(service.Meter);
        Chunk[] chunks = [.. Enumerable.Range(1, 20).Select(n => Samples.Chunk("g", n, 10 * n))];

        await first.SendAsync(Samples.Start("g", "alice", input: 3));
        await first.GrantOf("g");
        await second.SendAsync(Samples.Start("g", "alice", input: 3));
        await second.GrantOf("g");
        foreach (var chunk in chunks)
            await Task.WhenAll(first.SendAsync(chunk), second.SendAsync(chunk));
        await first.DisposeAsync();
        await using var third = new RuntimeStream(service.Meter);
        await third.SendAsync(Samples.Start("g", "alice", input: 3));
        await third.GrantOf("g");
        await third.SendAsync([.. chunks.Select(c => new RuntimeFrame { Chunk = c })]);
        await third.SendAsync(Samples.Finish("g", 21));
        Assert.True((await third.AckOf("g", 21)).Finished);

        Assert.Equal(200, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
        Assert.Equal(3, await service.ScalarAsync<long>("select sum(input) from usage.token_event"));
        Assert.Equal(22, await service.ScalarAsync<long>("select count(*) from usage.token_event"));
        Assert.Equal(200, await service.ScalarAsync<long>("select sum(output) from usage.period_total"));
    }

    [Fact]
    public async Task U3_frames_of_a_message_that_only_the_tables_know_are_looked_up_together()
    {
        const int repeats = 50;
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("over", "alice"));
        await stream.GrantOf("over");
        await stream.SendAsync(Samples.Chunk("over", 1, 10));
        await stream.SendAsync(Samples.Finish("over", 2));
        await stream.AckOf("over", 2);
        var reader = service.App.Services.GetRequiredService<RepeatReader>();
        await using (await TableLock.TakeAsync(service, "usage.token_event", "access exclusive"))
        {
            await stream.SendAsync([.. Enumerable.Repeat(new RuntimeFrame { Chunk = Samples.Chunk("over", 1, 10) }, repeats), new RuntimeFrame { Chunk = Samples.Chunk("over", 1, 11) }]);
            await Eventually.True(() => reader.Waiting == repeats + 1, "none waits for the answer to the one before it");
        }
        await Eventually.True(() => stream.Answers.Count(f => f.Ack is { Sequence: 2, Finished: true }) == 1 + repeats, "each that is the same is acknowledged");
        await Eventually.True(() => stream.Answers.Any(f => f.Rejection is { Reason: "sequence_reused" }), "the one that is not is rejected");
        Assert.Equal(10, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
    }

    [Fact]
    public async Task U3_a_start_that_comes_late_from_a_broken_stream_is_denied_like_the_one_that_was_said_after_it()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 100)));
        await service.Meter.AuthorizeAsync(new() { Start = Samples.Start("holds all", "alice") });
        await using var stream = new RuntimeStream(service.Meter);

        await stream.SendAsync(Said(2));
        var denied = await stream.DenialOf("g");
        Assert.Equal(("cap_reached", 5u, 2), (denied.Reason, denied.Asker, denied.Attempt));
        await service.Meter.SettleAsync(new() { Finish = Samples.Finish("holds all", 1) });
        Assert.Equal("cap_reached", (await service.Meter.AuthorizeAsync(new() { Start = Said(1) })).Deny.Reason);
        Assert.Equal(0, await service.ScalarAsync<long>("select count(*) from usage.token_event where input = 3"));
        await stream.SendAsync(Said(3));
        await stream.GrantOf("g");

        static Start Said(int attempt)
        {
            var start = Samples.Start("g", "alice", input: 3);
            (start.Asker, start.Attempt) = (5, attempt);
            return start;
        }
    }

    [Fact]
    public async Task U3_the_same_key_with_other_content_is_refused_however_late()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using (var stream = new RuntimeStream(service.Meter))
        {
            await stream.SendAsync(Samples.Start("g", "alice"));
            await stream.GrantOf("g");
            await stream.SendAsync(Samples.Chunk("g", 1, 10));
            await stream.AckOf("g", 1);
            await stream.SendAsync(Samples.Chunk("g", 1, 11));
            await stream.RejectionOf("g", "sequence_reused");
            await stream.SendAsync(Samples.Finish("g", 2));
            await stream.AckOf("g", 2);
        }
        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();

        await using var late = new RuntimeStream(service.Meter);
        await late.SendAsync(Samples.Chunk("g", 1, 10));
        Assert.True((await late.AckOf("g", 2)).Finished); // a true repeat of a finished generation is acknowledged
        await late.SendAsync(Samples.Chunk("g", 1, 12));
        await late.RejectionOf("g", "sequence_reused");
        await late.SendAsync(Samples.Chunk("g", 3, 30));
        await late.RejectionOf("g", "generation_finished");
        // A Start sent again because the last Ack was lost hears that all is well; nothing is granted.
        await using var again = new RuntimeStream(service.Meter);
        await again.SendAsync(Samples.Start("g", "alice"));
        Assert.True((await again.AckOf("g", 2)).Finished);
        Assert.DoesNotContain(again.Answers, f => f.Grant is not null || f.Deny is not null);
        Assert.Equal("generation_finished", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") })).Deny.Reason);
        Assert.Equal(10, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
    }

    [Fact]
    public async Task A_generation_goes_on_after_a_restart_where_the_tables_left_it()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 500)));
        await using (var stream = new RuntimeStream(service.Meter))
        {
            await stream.SendAsync(Samples.Start("g", "alice", input: 5));
            await stream.GrantOf("g");
            await stream.SendAsync(Samples.Chunk("g", 1, 100, 20));
            await stream.AckOf("g", 1);
        }
        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();

        await using var again = new RuntimeStream(service.Meter);
        await again.SendAsync(Samples.Start("g", "alice", input: 5));
        Assert.Equal(1, (await again.AckOf("g", 1)).Sequence);
        // What the instance that ended had granted and not heard of (136 of 256) stays reserved until its lease ends.
        Assert.Equal(120 + 500 - 120 - 136, (await again.GrantOf("g")).TokensAllowed);
        await again.SendAsync(Samples.Chunk("g", 2, 230, 26));
        await again.SendAsync(Samples.Finish("g", 3));
        await again.AckOf("g", 3);
        Assert.Equal(256, await service.ScalarAsync<long>("select sum(output + reasoning) from usage.token_event"));
        Assert.Equal(0, await service.ScalarAsync<long>("select sum(overrun) from usage.token_event"));
    }

    [Fact]
    public async Task U3_a_finished_generation_is_not_granted_again_whatever_ids_have_come_since()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 10_000)));
        await using var stream = new RuntimeStream(service.Meter);
        // The conversation stays in memory, so only the order of ids tells whether the tables have to be asked.
        await stream.SendAsync(Samples.Start("open", "alice"));
        await stream.GrantOf("open");
        string[] ids = [.. new[] { 1, 3, 2, 4 }.Select(second => Samples.GenerationId($"g{second}", Samples.Jan1.AddSeconds(second)))];
        foreach (var id in ids)
        {
            Assert.NotNull((await AuthorizeAsync(id)).Grant); // also the second one, which is older than one that is finished
            await service.Meter.SettleAsync(new SettleRequest { Finish = new Finish { GenerationId = id, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = 10 } } });
        }

        foreach (var id in ids) Assert.Equal("generation_finished", (await AuthorizeAsync(id)).Deny.Reason);
        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        foreach (var id in ids) Assert.Equal("generation_finished", (await AuthorizeAsync(id)).Deny.Reason);
        // Nor is it hours later, when none of them is of late.
        await service.StopHostAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Null(service.Clock.MoveTo(Samples.Jan1.AddHours(2)));
        foreach (var id in ids) Assert.Equal("generation_finished", (await AuthorizeAsync(id)).Deny.Reason);
        Assert.NotNull((await AuthorizeAsync(Samples.GenerationId("new", Samples.Jan1.AddHours(2)))).Grant);
        Assert.Equal(40, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));

        async Task<AuthorizeResponse> AuthorizeAsync(string id)
        {
            var start = Samples.Start("g", "alice");
            start.GenerationId = id;
            return await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = start });
        }
    }
}
