using System.Globalization;
using System.Text.RegularExpressions;

namespace PlanDesign.Host.Tests;

/// <summary>What is computed at once must fit where it is computed, or the machine ends it: in the containers that the deployments make, by what the service takes by default.</summary>
public sealed partial class MemoryTests
{
    /// <summary>What a solve was measured to allocate beside its estimate.</summary>
    private const int InPassing = 50;

    [Fact]
    public void As_many_solves_as_are_taken_at_once_fit_in_the_container()
    {
        var options = new PlanDesignOptions();
        var needed = options.SolvesAtOnceMax * (options.MemoryMegabytesMax + InPassing);
        Assert.InRange(needed, 1, Heap("docker-compose.yml", Composed()));
        Assert.InRange(needed, 1, Heap("deploy/k8s/plan-design.yaml", Limited()));
    }

    /// <summary>.NET's heap is three quarters of the container's memory.</summary>
    private static int Heap(string file, Regex memory) =>
        (int)(0.75 * 1024 * int.Parse(memory.Match(File.ReadAllText(Path.Combine(Checkout.Root, file))).Groups[1].Value, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"\$\{PLAN_DESIGN_MEMORY:-(\d+)g\}")]
    private static partial Regex Composed();

    [GeneratedRegex(@"limits:\s+(?:cpu: \S+\s+)?memory: (\d+)Gi")]
    private static partial Regex Limited();
}
