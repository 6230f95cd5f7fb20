using System.CommandLine;
using System.Diagnostics;

namespace Cli.Commands;

/// <summary><c>billing bench menu [--quick] [--json]</c>: runs the benchmark of this checkout as a process of its own, for it brings solvers that the product must not.</summary>
public static class BenchCommand
{
    private const string Project = "tests/Bench";

    public static Command Create()
    {
        var quick = new Option<bool>("--quick") { Description = "Smaller sizes, within a minute." };
        var json = MenuSolve.Json();
        var menu = new Command("menu", "The menu solver against GLOP, against its own table pass and against itself at other sizes.") { quick, json };
        menu.SetAction((parsed, ct) => RunAsync(parsed.GetValue(quick), parsed.GetValue(json), ct));
        return new("bench", "Measures this checkout on this machine.") { menu };
    }

    private static async Task<int> RunAsync(bool quick, bool json, CancellationToken ct)
    {
        List<string> arguments = ["menu"];
        if (quick) arguments.Add("--quick");
        if (json) arguments.Add("--json");
        var root = Checkout();
        // Built first and apart, so that standard output has nothing but the figures.
        var built = await ProgressBar.During("building the benchmark", _ => Dotnet(root, redirect: true, ct, "build", Project, "-c", "Release", "--nologo", "-v", "quiet", "--disable-build-servers"), ct);
        if (built != 0) throw new UserException($"the benchmark does not build: dotnet build {Project} -c Release says why");
        return await Dotnet(root, redirect: false, ct, [Path.Combine(root, "artifacts", "bin", "Bench", "release", "Bench.dll"), .. arguments]);
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
        throw new UserException("the benchmark is part of a checkout, and this command does not run in one: use ./billing bench menu there");
    }
}
