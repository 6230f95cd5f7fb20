using System.Diagnostics;

namespace Testing;

/// <summary>A program of ours as a process of its own, as people and scripts run it.</summary>
public static class DotnetProcess
{
    /// <summary>Starts it with all three of its streams in our hands.</summary>
    /// <param name="dll">the built program</param>
    /// <param name="environment">what it finds in its environment besides ours; settings may be named as in a configuration, with colons</param>
    public static Process Start(string dll, IReadOnlyDictionary<string, string?> environment, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet", [dll, .. args]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment) start.Environment[name.Replace(":", "__", StringComparison.Ordinal)] = value;
        return Process.Start(start)!;
    }

    /// <summary>Runs it to its end on <paramref name="input"/>.</summary>
    public static async Task<(int Exit, string Output, string Error)> RunAsync(string dll, IReadOnlyDictionary<string, string?> environment, string input, params string[] args)
    {
        using var process = Start(dll, environment, args);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // A command that fails on its arguments ends without reading.
        }
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }
}
