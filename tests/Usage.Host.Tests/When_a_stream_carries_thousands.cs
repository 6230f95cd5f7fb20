using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;

namespace Usage.Host.Tests;

/// <summary>What makes it fast: frames, answers, slabs and rows travel together, however many generations there are.</summary>
public sealed class When_a_stream_carries_thousands
{
    private const int Generations = 4_000, Subscriptions = 20;

    [Fact]
    public async Task Thousands_of_generations_run_on_one_stream_and_are_committed_many_rows_at_a_time()
    {
        await using var service = await UsageService.StartAsync();
        foreach (var s in Enumerable.Range(0, Subscriptions)) await service.SubscribeAsync(Samples.Snapshot($"s{s}", Samples.Hard("conversation", 1_000), Samples.Hard("billing_period", 1_000_000)));
        await using var stream = new RuntimeStream(service.Meter);
        string[] names = [.. Enumerable.Range(0, Generations).Select(n => $"g{n}")];

        await SendAsync(n => new RuntimeFrame { Start = Samples.Start(names[n], $"s{n % Subscriptions}", names[n], input: 1) });
        await Eventually.True(() => stream.Answers.Count(f => f.Grant is not null) >= Generations, "each is granted");
        for (var sequence = 1; sequence <= 2; sequence++)
        {
            var at = sequence;
            await SendAsync(n => new RuntimeFrame { Chunk = Samples.Chunk(names[n], at, 50 * at) });
            await Eventually.True(() => stream.Answers.Where(f => f.Ack?.Sequence == at).Select(f => f.Ack.GenerationId).Distinct().Count() == Generations, "each chunk is acknowledged");
        }
        Assert.Equal(Generations, service.App.Services.GetRequiredService<Owners.OwnerDirectory>().Running);
        await SendAsync(n => new RuntimeFrame { Finish = Samples.Finish(names[n], 3) });
        await stream.CompleteAsync();
        Assert.Equal(Generations, stream.Answers.Count(f => f.Ack is { Finished: true }));

        const int rows = 4 * Generations;
        Assert.Equal(rows, await service.ScalarAsync<long>("select count(*) from usage.token_event"));
        Assert.Equal(Generations * 100, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
        // A commit of one row each would be as many batches as rows; and a message of one answer each as many messages.
        var batches = await service.ScalarAsync<long>("select count(*) from usage.batch");
        Assert.True(batches < rows / 8, $"{rows} rows were committed in {batches} batches");
        Assert.True(stream.Messages < stream.Answers.Count / 2, $"{stream.Answers.Count} answers came in {stream.Messages} messages");
        await LedgerChecks.HoldAsync(service);

        async Task SendAsync(Func<int, RuntimeFrame> frame)
        {
            foreach (var some in Enumerable.Range(0, Generations).Chunk(1_000)) await stream.SendAsync([.. some.Select(frame)]);
        }
    }

    [Fact]
    public async Task U5_reports_of_a_shard_are_no_more_than_are_due_however_often_heads_are_asked_for()
    {
        await using var service = await UsageService.StartAsync(("Usage:ReportIntervalMs", "400"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        for (var n = 1; n <= 8; n++)
        {
            await stream.SendAsync(Samples.Chunk("g", n, n));
            await stream.AckOf("g", n);
            // Asked for by several at once, it is one report, and all of them are answered with what was committed before.
            var heads = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => service.Ledger.GetHeadsAsync(new GetHeadsRequest()).ResponseAsync));
            Assert.All(heads, h => Assert.True(h.Heads.Sum(head => head.BatchNumber) >= n));
        }
        Assert.Equal(8, await service.ScalarAsync<long>("select sum(tokens) from usage.report_line where kind = 'output'"));
        // By the database's clock, which need not tick quite like ours.
        Assert.True(await service.ScalarAsync<double>("select extract(epoch from min(gap))::double precision from (select cut_at - lag(cut_at) over (partition by shard order by number) as gap from usage.report) r") > 0.35);
    }
}
