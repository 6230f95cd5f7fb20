using System.Globalization;
using System.Text.Json;

namespace Bench.Metering;

/// <summary>How long a part of the benchmark may take, and where its details are said.</summary>
public sealed record BenchPace(int Rounds, TimeSpan Round)
{
    public static BenchPace Full => new(5, TimeSpan.FromSeconds(8));
    public static BenchPace Quick => new(3, TimeSpan.FromSeconds(1.5));

    /// <summary>One line, to standard error: standard output has the figures only.</summary>
    public static void Say(FormattableString line) => Console.Error.WriteLine(line.ToString(CultureInfo.InvariantCulture));

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>What the usage benchmark measured, all in one run on one machine, contenders in turns.</summary>
public sealed record UsageBench(DurableFigures Durable)
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    /// <exception cref="LocalServers.ServerUnavailableException">A server is not installed.</exception>
    public static async Task<UsageBench> RunAsync(bool quick, CancellationToken ct)
    {
        var pace = quick ? BenchPace.Quick : BenchPace.Full;
        await using var servers = await BenchServers.StartAsync(ct);
        BenchPace.Say($"{await servers.ConditionsAsync(ct)}");
        return new(await new DurableBench(servers, pace).RunAsync(ct));
    }

    public string ToJson() => JsonSerializer.Serialize(this, CamelCase);
}
