using System.Diagnostics;

namespace Cli.Tests;

/// <summary>The billing command as a process, as people and scripts run it.</summary>
internal static class BillingProcess
{
    /// <summary>The worked menu of plan design's README.</summary>
    public const string Worked = """
        {"urgency":{"kind":"discrete","ratesPerSecond":[0.10536051565782628,0.6931471805599453,1.6094379124341003],"weights":[0.3,0.5,0.2]},
         "answerTime":{"kind":"discrete","probabilityPerToken":[0.5,0.5]},
         "tokensPerSecond":1,"valuePerAnswer":40,"servingCostPerToken":2}
        """;

    public static async Task<(int Exit, string Output, string Error)> Run(string input, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(CommandLine).Assembly.Location, .. args])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
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
