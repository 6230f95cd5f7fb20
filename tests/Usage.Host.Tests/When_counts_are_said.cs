using Contracts.Usage.V1;
using Grpc.Core;

namespace Usage.Host.Tests;

public sealed class When_counts_are_said
{
    [Theory, InlineData(CountMode.Cumulative), InlineData(CountMode.Increment)]
    public async Task The_stream_and_the_unary_calls_record_the_same_and_refuse_the_same(CountMode mode)
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.SubscribeAsync(Samples.Snapshot("bob"));
        await using var stream = new RuntimeStream(service.Meter);
        var (streamed, unary) = (Start("s", "alice", mode), Start("u", "bob", mode));
        await stream.SendAsync(streamed);
        await stream.GrantOf("s");
        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = unary })).Grant);

        var (n, said) = (0L, new TokenCounts());
        foreach (var (output, reasoning) in new[] { (10L, 4L), (0L, 7L), (5L, 0L) })
        {
            n++;
            said = mode == CountMode.Increment
                ? new TokenCounts { Output = output, Reasoning = reasoning }
                : new TokenCounts { Output = said.Output + output, Reasoning = said.Reasoning + reasoning };
            await stream.SendAsync(new Chunk { GenerationId = streamed.GenerationId, Sequence = n, Tokens = said });
            await stream.AckOf("s", n);
            Assert.Equal(n, (await service.Meter.ReportAsync(new ReportRequest { Chunk = new Chunk { GenerationId = unary.GenerationId, Sequence = n, Tokens = said } })).Ack.Sequence);

            foreach (var (counts, reason) in Wrong(mode))
            {
                await stream.SendAsync(new Chunk { GenerationId = streamed.GenerationId, Sequence = n + 1, Tokens = counts });
                await stream.RejectionOf("s", reason);
                var refused = await Assert.ThrowsAsync<RpcException>(async () =>
                    await service.Meter.ReportAsync(new ReportRequest { Chunk = new Chunk { GenerationId = unary.GenerationId, Sequence = n + 1, Tokens = counts } }));
                Assert.Equal((StatusCode.InvalidArgument, reason), (refused.StatusCode, When_a_generation_is_metered.Reason(refused)));
            }
        }
        // Totals at the end are totals in either mode, and may repeat the prompt.
        var totals = new TokenCounts { Input = 1, CachedInput = 2, CacheCreation = 3, Output = 20, Reasoning = 11 };
        await stream.SendAsync(new Finish { GenerationId = streamed.GenerationId, Sequence = 4, Reason = FinishReason.Stop, Totals = totals });
        Assert.True((await stream.AckOf("s", 4)).Finished);
        var settled = await service.Meter.SettleAsync(new SettleRequest { Finish = new Finish { GenerationId = unary.GenerationId, Sequence = 4, Reason = FinishReason.Stop, Totals = totals } });
        Assert.Equal((totals, 0), (settled.Recorded, settled.OverrunTokens));

        var rows = await RowsAsync(service, "alice");
        Assert.Equal(rows, await RowsAsync(service, "bob"));
        Assert.Equal(totals, new TokenCounts
        {
            Input = rows.Sum(r => r.Tokens.Input), CachedInput = rows.Sum(r => r.Tokens.CachedInput), CacheCreation = rows.Sum(r => r.Tokens.CacheCreation),
            Output = rows.Sum(r => r.Tokens.Output), Reasoning = rows.Sum(r => r.Tokens.Reasoning),
        });
        await LedgerChecks.HoldAsync(service);
    }

    private static IEnumerable<(TokenCounts, string)> Wrong(CountMode mode)
    {
        yield return (new TokenCounts { Output = -1 }, "counts_negative");
        yield return (new TokenCounts { Reasoning = long.MinValue }, "counts_negative");
        yield return (new TokenCounts { Output = 1_000_000_001 }, "counts_absurd");
        yield return (new TokenCounts { CachedInput = 5, Output = 500 }, "counts_of_wrong_kind");
        if (mode == CountMode.Cumulative) yield return (new TokenCounts { Output = 500, Reasoning = 3 }, "counts_decreasing");
        else yield return (new TokenCounts { Output = 1_000_000_000 }, "counts_absurd");
    }

    private static Start Start(string generation, string subscription, CountMode mode)
    {
        var start = Samples.Start(generation, subscription, mode: mode);
        start.Prompt = new TokenCounts { Input = 1, CachedInput = 2, CacheCreation = 3 };
        return start;
    }

    private static async Task<List<(long Sequence, TokenCounts Tokens, long Overrun)>> RowsAsync(UsageService service, string subscription) =>
        await service.Ledger.ListEvents(new ListEventsRequest { SubscriptionId = Samples.SubscriptionId(subscription) }).ResponseStream.ReadAllAsync()
            .Select(r => (r.Sequence, r.Tokens, r.OverrunTokens)).ToListAsync();
}
