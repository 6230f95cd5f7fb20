using System.Diagnostics;
using System.Text.Json;
using PlanDesign;
using PlanDesign.Screening;

namespace Bench;

/// <summary>
/// What the menu benchmark measured, all in one run on one machine. Ratios and slopes are of processor time, the best of a few runs, so that
/// another process on the machine does not move them; every contender runs on one thread. Ratios are how many times longer the other takes.
/// </summary>
/// <param name="RatioToGlop">GLOP's time to solve the full lottery programme, built already, over the solver's, tables and certificate included, at the largest size GLOP finished.</param>
/// <param name="LargestGlopSize">Types, and caps, of that size.</param>
/// <param name="RatioToGlopReduced">The same for the reduced programme.</param>
/// <param name="LargestReducedSize">Types, and caps, of that size.</param>
/// <param name="LargeSolveSeconds">By the clock: the large market, solved with at most 5 plans and certified.</param>
/// <param name="RatioToTablePass">Its processor time over that of one pass that evaluates the table J by the solver's own kernel.</param>
/// <param name="SlopeTypes">Of log time on log N, least squares.</param>
/// <param name="SlopeCaps">Of log time on log M.</param>
/// <param name="LargestDisagreement">Between GLOP's optimum and the solver's profit, relative; a lottery may earn more, never less.</param>
public sealed record MenuBenchFigures(
    double RatioToGlop, int LargestGlopSize, double RatioToGlopReduced, int LargestReducedSize, double LargeSolveSeconds, double TablePassSeconds,
    double RatioToTablePass, double SlopeTypes, double SlopeCaps, int LargeTypes, int LargeCaps, int LargePlans, double LargestDisagreement)
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    public string ToJson() => JsonSerializer.Serialize(this, CamelCase);
}

/// <param name="GlopBudget">in which GLOP must end</param>
/// <param name="LargeTypes">and <paramref name="LargeCaps"/>: of the large market</param>
/// <param name="TypeSizes">at <paramref name="SlopeCaps"/> caps</param>
/// <param name="CapSizes">at <paramref name="SlopeTypes"/> types</param>
public sealed record MenuBenchSize(TimeSpan GlopBudget, int LargeTypes, int LargeCaps, int[] TypeSizes, int SlopeCaps, int[] CapSizes, int SlopeTypes)
{
    public static MenuBenchSize Full => new(TimeSpan.FromSeconds(60), 10_000, 4_096, [2_500, 5_000, 7_500, 10_000], 1_024, [1_024, 2_048, 4_096, 8_192], 2_500);

    /// <summary>Within a minute.</summary>
    public static MenuBenchSize Quick => new(TimeSpan.FromSeconds(15), 4_000, 2_048, [500, 1_000, 2_000, 4_000], 512, [256, 512, 1_024, 2_048], 1_000);

    /// <summary>Measures nothing, and runs everything.</summary>
    public static MenuBenchSize Tiny => new(TimeSpan.FromSeconds(0.5), 100, 64, [50, 100], 32, [32, 64], 50);
}

/// <summary>The solver against GLOP, against its own table pass, and against itself at other sizes.</summary>
public static class MenuBench
{
    private const int Plans = 5;

    /// <summary>What GLOP may find less than the solver, relative: its own tolerance. A lottery may earn more than a menu.</summary>
    private const double GlopTolerance = 1e-6;

    /// <exception cref="InvalidOperationException">GLOP found less than the solver.</exception>
    public static MenuBenchFigures Run(MenuBenchSize size)
    {
        Solve(BenchMarkets.Of(200, 256), Plans);
        var disagreement = 0.0;
        var full = Race(glop => glop.FullLottery(), size.GlopBudget, ref disagreement);
        var reduced = Race(glop => glop.Reduced(), size.GlopBudget, ref disagreement);

        var large = BenchMarkets.Of(size.LargeTypes, size.LargeCaps);
        const int repeats = 5;
        var (table, solve, clock) = (double.PositiveInfinity, double.PositiveInfinity, double.PositiveInfinity);
        // In turns, so that a machine that slows down slows down both.
        for (var n = 0; n < repeats; n++)
        {
            table = Math.Min(table, Best(1, () => TablePass(large)));
            var watch = Stopwatch.StartNew();
            solve = Math.Min(solve, Best(1, () => Solve(large, Plans)));
            clock = Math.Min(clock, watch.Elapsed.TotalSeconds);
        }
        return new(full.Ratio, full.Size, reduced.Ratio, reduced.Size, clock, table, solve / table,
            Slope(size.TypeSizes, n => Best(repeats, () => Solve(BenchMarkets.Of(n, size.SlopeCaps), Plans))),
            Slope(size.CapSizes, m => Best(repeats, () => Solve(BenchMarkets.Of(size.SlopeTypes, m), Plans))),
            size.LargeTypes, size.LargeCaps, Plans, disagreement);
    }

    /// <summary>Sizes grow by about half until GLOP no longer finishes; the last one that it did is reported.</summary>
    private static (double Ratio, int Size) Race(Func<GlopMenus, GlopProgramme> form, TimeSpan budget, ref double disagreement)
    {
        var (ratio, largest) = (0.0, 0);
        for (var size = 8; size <= 1_024; size = Math.Max(size + 2, size * 3 / 2))
        {
            var market = BenchMarkets.Of(size, size);
            using var programme = form(new GlopMenus(market));
            double? optimum = null;
            var watch = Stopwatch.StartNew();
            var seconds = Best(1, () => optimum = programme.Solve(budget));
            if (optimum is not { } found || watch.Elapsed > budget) break;
            var ours = MenuSolver.Solve(market, new()).Profit;
            if (found < ours - GlopTolerance * Math.Abs(ours)) throw new InvalidOperationException($"GLOP found {found:R} at {size} types and caps, and the solver {ours:R}, which no menu can earn");
            disagreement = Math.Max(disagreement, Math.Abs(found - ours) / Math.Max(1e-12, Math.Abs(ours)));
            (ratio, largest) = (seconds / Many(() => Solve(market, null)), size);
            // The next size takes several times as long.
            if (seconds * 4 > budget.TotalSeconds) break;
        }
        return (ratio, largest);
    }

    private static void Solve(Market market, int? plans)
    {
        var solution = MenuSolver.Solve(market, new(plans));
        if (solution.ExitReason != ExitReason.Optimal) throw new InvalidOperationException($"the benchmark's market ended as {solution.ExitReason}");
    }

    private static void TablePass(Market market)
    {
        var rows = new VirtualSurplusRows(new MarketTables(market, market.Grid()));
        while (rows.MoveToMorePatient())
        {
        }
    }

    private static double Best(int repeats, Action run)
    {
        var best = double.PositiveInfinity;
        for (var n = 0; n < repeats; n++)
        {
            var before = Environment.CpuUsage.TotalTime;
            run();
            best = Math.Min(best, (Environment.CpuUsage.TotalTime - before).TotalSeconds);
        }
        return best;
    }

    /// <summary>Of something so short that only many of it can be timed.</summary>
    private static double Many(Action run)
    {
        const int times = 50;
        return Best(3, () =>
        {
            for (var n = 0; n < times; n++) run();
        }) / times;
    }

    private static double Slope(int[] sizes, Func<int, double> seconds)
    {
        var (x, y) = (sizes.Select(n => Math.Log(n)).ToArray(), sizes.Select(n => Math.Log(seconds(n))).ToArray());
        var (meanX, meanY) = (x.Average(), y.Average());
        return x.Zip(y, (a, b) => (a - meanX) * (b - meanY)).Sum() / x.Sum(a => (a - meanX) * (a - meanX));
    }
}
