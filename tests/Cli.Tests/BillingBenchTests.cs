using System.Text.Json;
using Bench.Books;

namespace Cli.Tests;

/// <summary>billing bench billing, at a size that measures nothing: that it runs, and what it calls its figures.</summary>
public sealed class BillingBenchTests
{
    [Fact]
    public async Task The_billing_benchmark_runs_and_its_figures_keep_their_names()
    {
        var figures = JsonDocument.Parse((await BillingBench.RunAsync(BillingBenchSize.Tiny, default)).ToJson()).RootElement.EnumerateObject().ToArray();
        Assert.Equal(
            [
                "draftLagP99Ms", "closeInvoicesPerSecond", "closeRatioToSql", "replayRatioToScan", "rebuildRatioToMarten", "replayMemoryGrowth", "rebuildEventsPerSecond", "rawEvents", "storedEvents",
                "closedSubscriptions",
            ],
            figures.Select(f => f.Name));
        Assert.All(figures, f => Assert.True(f.Value.GetDouble() > 0, f.Name));
    }
}
