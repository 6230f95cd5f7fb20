namespace Cli.Tests;

/// <summary>The billing command as people and scripts run it: as a process of its own where that is what is tested, else in this one.</summary>
internal static class BillingProcess
{
    /// <summary>The worked menu of plan design's README.</summary>
    public const string Worked = """
        {"urgency":{"kind":"discrete","ratesPerSecond":[0.10536051565782628,0.6931471805599453,1.6094379124341003],"weights":[0.3,0.5,0.2]},
         "answerTime":{"kind":"discrete","probabilityPerToken":[0.5,0.5]},
         "tokensPerSecond":1,"valuePerAnswer":40,"servingCostPerToken":2}
        """;

    public static string Dll { get; } = typeof(CommandLine).Assembly.Location;

    public static Task<(int Exit, string Output, string Error)> Run(string input, params string[] args) => InProcess.RunAsync(new Dictionary<string, string?>(), input, args);

    public static Task<(int Exit, string Output, string Error)> RunApart(string input, params string[] args) => DotnetProcess.RunAsync(Dll, new Dictionary<string, string?>(), input, args);

    /// <summary>Where a command finds the service that <paramref name="variable"/> names.</summary>
    public static Dictionary<string, string?> At(string variable, Uri address) => new() { [variable] = address.ToString() };
}
