using System.CommandLine;
using System.Diagnostics;

namespace Cli.Commands;

/// <summary>
/// <c>billing bench …</c>: runs a benchmark of this checkout as a process of its own, for it brings solvers and test tools that the product must
/// not.
/// </summary>
public static class BenchCommand
{
    private const int RoundsDefault = 20;

    public static Command Create()
    {
        var quick = new Option<bool>("--quick") { Description = "Smaller sizes, within a minute." };
        var json = MenuSolve.Json();
        var menu = new Command("menu", "The menu solver against GLOP, against its own table pass and against itself at other sizes.") { quick, json };
        menu.SetAction((parsed, ct) => ProgressBar.During("measuring", _ => RunAsync("Bench", ["menu", .. Flag(quick, parsed), .. Flag(json, parsed)], ct), ct));

        var few = new Option<bool>("--quick") { Description = "Two years in place of ten." };
        var adapt = new Command("adapt", "Simulated years of a market that moves: what adapting the menu earns and loses over keeping it.") { few, json };
        adapt.SetAction((parsed, ct) => ProgressBar.During("playing years", _ => RunAsync("Bench", ["adapt", .. Flag(few, parsed), .. Flag(json, parsed)], ct), ct));

        var shorter = new Option<bool>("--quick") { Description = "Shorter rounds, within a minute on a machine that has nothing else to do." };
        var usage = new Command("usage", "Metering and cap decisions beside bare PostgreSQL, bare gRPC and Redis, on private servers; about 20 minutes.") { shorter, json };
        usage.SetAction((parsed, ct) => RunAsync("Bench", ["usage", .. Flag(shorter, parsed), .. Flag(json, parsed)], ct));

        var small = new Option<bool>("--quick") { Description = "Smaller sizes, within a minute on a machine that has nothing else to do." };
        var billing = new Command("billing", "Draft invoices, closing a month, replay and rebuild beside plain SQL, bare reading and Marten, on private servers; about half an hour.") { small, json };
        billing.SetAction((parsed, ct) => RunAsync("Bench", ["billing", .. Flag(small, parsed), .. Flag(json, parsed)], ct));

        var rounds = CommandLine.Count("--rounds", "N", $"how often something is killed (default {RoundsDefault})", 1, 100_000);
        var seed = CommandLine.Count("--seed", "S", "who is killed and when, as far as a seed can say (default: another one each time)", 0, int.MaxValue);
        var chaos = new Command("chaos", "Kills usage, billing, PostgreSQL and RabbitMQ at random under load, and holds the books to what clients know.") { rounds, seed, json };
        chaos.SetAction((parsed, ct) => RunAsync(
            "Chaos", ["--rounds", $"{parsed.GetValue(rounds) ?? RoundsDefault}", "--seed", $"{parsed.GetValue(seed) ?? Random.Shared.Next()}", .. Flag(json, parsed)], ct));
        return new("bench", "Measures this checkout on this machine.") { menu, adapt, usage, billing, chaos };
    }

    private static string[] Flag(Option<bool> option, ParseResult parsed) => parsed.GetValue(option) ? [option.Name] : [];

    private static async Task<int> RunAsync(string name, string[] arguments, CancellationToken ct)
    {
        var (root, project) = (Checkout(), $"tests/{name}");
        // Built first and apart, so that standard output has nothing but the figures.
        var built = await ProgressBar.During("building the benchmark", _ => Dotnet(root, redirect: true, ct, "build", project, "-c", "Release", "--nologo", "-v", "quiet", "--disable-build-servers"), ct);
        if (built != 0) throw new UserException($"the benchmark does not build: dotnet build {project} -c Release says why");
        return await Dotnet(root, redirect: false, ct, [Path.Combine(root, "artifacts", "bin", name, "release", $"{name}.dll"), .. arguments]);
    }

    private static async Task<int> Dotnet(string root, bool redirect, CancellationToken ct, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = root, RedirectStandardOutput = redirect, RedirectStandardError = redirect };
        using var process = Process.Start(start) ?? throw new UserException("dotnet cannot be started");
        try
        {
            if (redirect) await Task.WhenAll(process.StandardOutput.ReadToEndAsync(ct), process.StandardError.ReadToEndAsync(ct));
            await process.WaitForExitAsync(ct);
            return process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private static string Checkout()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "Billing.sln"))) return folder;
        throw new UserException("the benchmark is part of a checkout, and this command does not run in one: use ./billing bench there");
    }
}
