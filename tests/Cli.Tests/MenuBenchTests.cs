using System.Text.Json;
using Bench;

namespace Cli.Tests;

/// <summary>billing bench menu, at a size that measures nothing: that it runs, that GLOP finds nothing less, and what it calls its figures.</summary>
public sealed class MenuBenchTests
{
    [Fact]
    public void The_menu_benchmark_runs_and_its_figures_keep_their_names()
    {
        var figures = JsonDocument.Parse(MenuBench.Run(MenuBenchSize.Tiny).ToJson()).RootElement.EnumerateObject().ToArray();
        Assert.Equal(
            [
                "ratioToGlop", "largestGlopSize", "ratioToGlopReduced", "largestReducedSize", "largeSolveSeconds", "tablePassSeconds", "ratioToTablePass", "slopeTypes", "slopeCaps",
                "largeTypes", "largeCaps", "largePlans", "largestDisagreement",
            ],
            figures.Select(f => f.Name));
        Assert.All(figures.Where(f => f.Name.StartsWith("large", StringComparison.Ordinal)), f => Assert.True(double.IsFinite(f.Value.GetDouble()), f.Name));
    }
}
