using Contracts.Usage.V1;

namespace Usage.Host.Tests;

public sealed class When_many_generations_share_a_cap
{
    private const int Streams = 4, GenerationsPerStream = 25;
    private const long Cap = 10_000;

    [Fact]
    public async Task U1_U2_U4_U5_the_cap_is_used_up_exactly_and_reports_add_up_to_the_table()
    {
        await using var service = await UsageService.StartAsync(("Usage:ReportIntervalMs", "20"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", Cap)));
        await service.SubscribeAsync(Samples.Snapshot("bob"));

        var alice = Enumerable.Range(0, Streams).Select(s => RunAsync(service, "alice", $"a{s}"));
        var bob = RunAsync(service, "bob", "b");
        var generated = (await Task.WhenAll(alice)).Sum();
        Assert.Equal(Cap, generated); // honest runtimes that want more than the cap get all of it, and not one token more
        var bobs = await bob;

        Assert.Equal(Cap + bobs, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
        Assert.Equal(0, await service.ScalarAsync<long>("select sum(overrun) from usage.token_event"));
        await LedgerChecks.HoldAsync(service);
    }

    /// <summary>Runs generations that generate whatever they are granted, up to 1,000 tokens each. Returns what they generated.</summary>
    private static async Task<long> RunAsync(UsageService service, string subscription, string prefix)
    {
        await using var stream = new RuntimeStream(service.Meter);
        var generated = 0L;
        for (var n = 0; n < GenerationsPerStream; n += 5)
            generated += (await Task.WhenAll(Enumerable.Range(n, 5).Select(i => GenerateAsync(stream, subscription, $"{prefix}-{i}")))).Sum();
        await stream.CompleteAsync();
        return generated;
    }

    private static async Task<long> GenerateAsync(RuntimeStream stream, string subscription, string generation)
    {
        await stream.SendAsync(Samples.Start(generation, subscription, generation, input: 3, maxOutput: 1_000));
        long generated = 0, sequence = 0;
        while (true)
        {
            var id = Samples.GenerationId(generation);
            var answer = await Eventually.Some(
                () => Task.FromResult(stream.Answers.LastOrDefault(f => f.Grant?.GenerationId == id && (f.Grant.TokensAllowed > generated || f.Grant.Final) || f.Deny?.GenerationId == id || f.Stop?.GenerationId == id)),
                "the generation is told how to go on");
            if (answer.Deny is { } deny)
            {
                Assert.Equal("cap_reached", deny.Reason);
                return 0;
            }
            if (answer.Stop is not null || answer.Grant.TokensAllowed == generated) break;
            generated = Math.Min(answer.Grant.TokensAllowed, generated + 90);
            await stream.SendAsync(Samples.Chunk(generation, ++sequence, generated));
        }
        await stream.SendAsync(Samples.Finish(generation, ++sequence, generated == 1_000 ? FinishReason.Length : FinishReason.Cap));
        Assert.True((await stream.AckOf(generation, sequence)).Finished);
        return generated;
    }
}
