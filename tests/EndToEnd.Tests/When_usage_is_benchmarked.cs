using System.Text.Json;
using Xunit.Abstractions;

namespace EndToEnd.Tests;

/// <summary>The same program as <c>billing bench usage</c>, with everything in it and times that measure nothing: its parts run, and their names stay.</summary>
public sealed class When_usage_is_benchmarked(ITestOutputHelper output)
{
    /// <summary>Others read them: names may be added, and none goes.</summary>
    private static readonly SortedDictionary<string, string[]> Names = new(StringComparer.Ordinal)
    {
        ["durable"] = ["eventsPerSecond", "ratioToCopy", "ackP99Ms", "dirtyRatio"],
        ["decisions"] = ["perSecond", "ratioToUnary", "ratioToSqlHotRow", "ratioToRedis", "p99Ms", "newConversationPerSecond", "settledPerSecond"],
        ["overspend"] = ["ours", "checkThenAdd", "incrementAfter", "neverBack", "neverBackMax", "checkThenAddNeverBack", "incrementAfterNeverBack"],
        ["soak"] = ["lastOverFirst", "memoryLastOverFirst", "postgresMemoryLastOverFirst"],
    };

    [Fact]
    public async Task U1_U3_every_part_runs_the_ledger_is_right_after_each_and_the_figures_have_their_names()
    {
        var (exit, figures, said) = await DotnetProcess.RunAsync(Company.Dll("Bench"), new Dictionary<string, string?>(), "", "usage", "--tiny", "--json");
        output.WriteLine(said + figures);
        Assert.True(exit == 0, said);
        var root = JsonDocument.Parse(figures).RootElement;
        Assert.Equal(Names.Keys, root.EnumerateObject().Select(p => p.Name).Order(StringComparer.Ordinal));
        foreach (var (part, names) in Names)
        {
            Assert.Equal(names, root.GetProperty(part).EnumerateObject().Select(p => p.Name));
            Assert.All(root.GetProperty(part).EnumerateObject(), figure => Assert.InRange(figure.Value.GetDouble(), 0, double.MaxValue));
        }
        // U1: its leases are longer than a killed service is away, and then nothing is generated beyond the cap.
        Assert.Equal(0, root.GetProperty("overspend").GetProperty("ours").GetInt64());
        // The conditions that figures depend on are said with them.
        foreach (var condition in new[] { "fsync on", "synchronous_commit on", "appendonly no", "are on their way", "callers on one connection", "batches of 10000 rows" }) Assert.Contains(condition, said, StringComparison.Ordinal);
    }
}
