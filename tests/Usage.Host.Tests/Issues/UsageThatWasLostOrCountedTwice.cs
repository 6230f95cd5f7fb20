using Contracts.Usage.V1;
using Grpc.Core;
using Hosting;
using RuntimeClient;
using FinishReason = Contracts.Usage.V1.FinishReason;

namespace Usage.Host.Tests.Issues;

/// <summary>Usage that other systems lost, or counted more than once. Each test names the reports that it is taken from.</summary>
[Collection(FailuresOfOthers.Name)]
public sealed class UsageThatWasLostOrCountedTwice(OthersService others)
{
    /// <summary>BerriAI/litellm#14457, #13245, #33736: a client that hung up in the middle of its answer paid nothing.</summary>
    [Fact]
    public async Task Usage_lost_on_client_disconnect()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("gone"));
        var stream = new RuntimeStream(others.Service.Meter);
        await stream.SendAsync(Samples.Start("gone", "gone", input: 40));
        await stream.GrantOf("gone");
        var id = Samples.GenerationId("gone")[4..];
        await Eventually.True(async () => await others.Service.ScalarAsync<long>($"select count(*) from usage.token_event where generation = '{id}'") == 1, "its prompt is recorded");
        // It hangs up when it has said what it generated, and before anybody has answered: the row waits to be written.
        await using (await TableLock.TakeAsync(others.Service, "usage.token_event", "share"))
        {
            await stream.SendAsync(Samples.Chunk("gone", 1, 77));
            await Eventually.True(async () => await TableLock.WaitersAsync(others.Service, "usage.token_event") > 0, "its tokens wait to be committed");
            await stream.DisposeAsync();
            Assert.Equal(1, await others.Service.ScalarAsync<long>($"select count(*) from usage.token_event where generation = '{id}'"));
        }
        Assert.Equal([("input", 40), ("output", 77)], await others.ReportedAsync("gone", 117));
    }

    /// <summary>BerriAI/litellm#36168, #36083, #40736: what a cache had served was counted as fresh in streams, or made fresh input negative.</summary>
    [Fact]
    public async Task Cached_tokens_dropped_in_a_stream()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("cached"));
        await using var stream = new RuntimeStream(others.Service.Meter);
        var start = Samples.Start("cached", "cached");
        start.Prompt = new() { Input = 10, CachedInput = 90, CacheCreation = 5 };
        await stream.SendAsync(start);
        await stream.GrantOf("cached");
        // Totals may repeat the prompt, and then it is not counted again.
        var total = new TokenCounts { Input = 10, CachedInput = 90, CacheCreation = 5, Output = 7, Reasoning = 3 };
        await stream.SendAsync(new Chunk { GenerationId = start.GenerationId, Sequence = 1, Tokens = total });
        await stream.SendAsync(new Chunk { GenerationId = start.GenerationId, Sequence = 2, Tokens = new(total) { CachedInput = 0, Input = 100 } });
        await stream.RejectionOf("cached", "counts_of_wrong_kind");
        await stream.SendAsync(new Finish { GenerationId = start.GenerationId, Sequence = 2, Reason = FinishReason.Stop, Totals = total });
        await stream.AckOf("cached", 2);
        Assert.Equal([("cache_creation", 5), ("cached_input", 90), ("input", 10), ("output", 7), ("reasoning", 3)], await others.ReportedAsync("cached", 115));

        var negative = Samples.Start("negative", "cached");
        negative.Prompt = new() { Input = -80, CachedInput = 90 };
        await stream.SendAsync(negative);
        Assert.Equal("counts_negative", (await stream.DenialOf("negative")).Reason);
    }

    /// <summary>The same, a frame later: it was on its way when its runtime was gone, and nobody knows whether it was taken. Whoever sends it again counts it once.</summary>
    [Fact]
    public async Task Frame_dropped_unacknowledged_when_its_client_was_gone()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("on its way"));
        string[] names = [.. Enumerable.Range(0, 20).Select(i => $"way-{i}")];
        foreach (var name in names)
        {
            var gone = new RuntimeStream(others.Service.Meter);
            await gone.SendAsync(Samples.Start(name, "on its way", name));
            await gone.GrantOf(name);
            await gone.SendAsync(Samples.Chunk(name, 1, 77));
            await gone.DisposeAsync();
        }
        await using var again = new RuntimeStream(others.Service.Meter);
        foreach (var name in names)
        {
            var start = Samples.Start(name, "on its way", name);
            start.Resumed = true;
            await again.SendAsync(new RuntimeFrame { Start = start }, new RuntimeFrame { Chunk = Samples.Chunk(name, 1, 77) });
        }
        foreach (var name in names) await again.AckOf(name, 1);
        Assert.Equal([("output", 20 * 77)], await others.ReportedAsync("on its way", 20 * 77));
    }

    /// <summary>getlago/lago#637: events were accepted and stored, and stayed without a customer: what was used was 0 for ever.</summary>
    [Fact]
    public async Task Events_accepted_and_never_aggregated()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("aggregated", Samples.Hard("billing_period", 1_000)));
        using var http = new HttpClient { BaseAddress = others.Service.App.Endpoints().Http };
        for (var n = 1; n <= 3; n++)
        {
            using var content = new StringContent(When_events_are_imported.Event("aggregated", $"aggregated-{n}", 100), System.Text.Encoding.UTF8, "application/cloudevents+json");
            using var taken = await http.PostAsync(new Uri("/api/v1/events", UriKind.Relative), content);
            Assert.Equal(System.Net.HttpStatusCode.NoContent, taken.StatusCode);
            // Whoever was answered may ask at once.
            Assert.Equal(n * 100, (await others.BalanceAsync("aggregated")).UsedTokens);
        }
        Assert.Equal([("output", 300)], await others.ReportedAsync("aggregated", 300));
    }

    /// <summary>openmeterio/openmeter#5118: a key was claimed before its effect was written, so that a retry was told it had been done.</summary>
    [Fact]
    public async Task Key_claimed_before_the_write()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("claimed"));
        await others.AuthorizeAsync([Samples.Start("claimed", "claimed")]);
        await others.SettleAsync([("claimed", 100)]);

        // The write cannot happen while the table is locked; the caller loses patience, and its connection.
        await using var other = new Npgsql.NpgsqlConnection(others.Service.Postgres);
        await other.OpenAsync();
        var request = new AmendUsageRequest { GenerationId = Samples.GenerationId("claimed"), Deltas = new() { Output = -30 }, Author = "ada", Reason = "generated twice" };
        await using (var blocking = await other.BeginTransactionAsync())
        {
            await using (var command = new Npgsql.NpgsqlCommand("lock table usage.correction in exclusive mode", other, blocking)) await command.ExecuteNonQueryAsync();
            using var patience = new CancellationTokenSource();
            var first = AmendAsync(patience.Token);
            await Eventually.True(async () => await others.Service.ScalarAsync<long>("select count(*) from pg_locks where relation = 'usage.correction'::regclass and not granted") > 0, "the correction waits for the table");
            await patience.CancelAsync();
            await Assert.ThrowsAsync<RpcException>(() => first);
            await blocking.RollbackAsync();
        }
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => AmendAsync(CancellationToken.None)));
        Assert.Equal((1, -30), (await CorrectionsAsync("count(*)"), await CorrectionsAsync("sum(output)")));

        Task<CorrectUsageResponse> AmendAsync(CancellationToken ct) =>
            others.Service.Corrections.AmendUsageAsync(request, new Metadata { { "idempotency-key", "claimed" } }, cancellationToken: ct).ResponseAsync;
        Task<long> CorrectionsAsync(string what) => others.Service.ScalarAsync<long>($"select {what} from usage.correction where subscription = '{Samples.SubscriptionId("claimed")[4..]}'");
    }

    /// <summary>The same of usage: the store fails while frames are written, and whoever is in doubt sends them again.</summary>
    [Fact]
    public async Task Key_claimed_before_the_write_of_a_chunk()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("doubt"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("doubt", "doubt"));
        await stream.GrantOf("doubt");
        const int chunks = 60;
        for (var n = 1; n <= chunks; n++)
        {
            await stream.SendAsync(Samples.Chunk("doubt", n, n));
            if (n % 20 == 0) await OthersService.BreakConnectionsAsync(service);
            // Whether or not it was taken: the same frame, again and on another stream.
            await using var again = new RuntimeStream(service.Meter);
            if (n % 20 == 0) await again.SendAsync(new RuntimeFrame { Start = Samples.Start("doubt", "doubt") }, new RuntimeFrame { Chunk = Samples.Chunk("doubt", n, n) });
        }
        await Eventually.True(async () =>
        {
            await stream.SendAsync([new RuntimeFrame { Start = Samples.Start("doubt", "doubt") }, .. Enumerable.Range(1, chunks).Select(n => new RuntimeFrame { Chunk = Samples.Chunk("doubt", n, n) })]);
            return stream.Answers.Any(f => f.Ack?.Sequence == chunks);
        }, "all of it is acknowledged");
        Assert.Equal((chunks, chunks + 1), (await service.ScalarAsync<long>("select sum(output + overrun) from usage.token_event"), await service.ScalarAsync<long>("select count(*) from usage.token_event")));
        await LedgerChecks.HoldAsync(service);
    }

    /// <summary>Vexa-ai/vexa#330: the producer minted an id for each attempt, and its customer was billed four times.</summary>
    [Fact]
    public async Task New_id_per_retry()
    {
        await others.Service.SubscribeAsync(Samples.Snapshot("retried"));
        // Four attempts, by four clients that share nothing but the request, as in four processes.
        for (var attempt = 0; attempt < 4; attempt++)
        {
            await using var meter = new MeterClient(others.Service.Channel.CreateCallInvoker());
            await using var generation = await meter.StartAsync(new()
            {
                Id = RuntimeClient.GenerationId.Derive(Samples.Jan1, "tenant-1", "request-1"),
                Subscription = Samples.SubscriptionId("retried"),
                Conversation = "chat-1",
                Model = "small-model",
                Prompt = new(Input: 12),
            });
            generation.Count(output: await generation.RoomAsync() > 0 ? 100 : 0);
            await generation.FinishAsync();
        }
        Assert.Equal([("input", 12), ("output", 100)], await others.ReportedAsync("retried", 112));
    }
}
