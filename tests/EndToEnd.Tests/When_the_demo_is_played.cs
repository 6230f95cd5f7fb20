using System.Diagnostics;
using System.Text.Json;

namespace EndToEnd.Tests;

/// <summary>The command as its users run it: a process of its own, with private servers of its own.</summary>
public sealed class When_the_demo_is_played : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("billing-demo-").FullName;

    public void Dispose() => Directory.Delete(_home, recursive: true);

    [Fact]
    public async Task The_figures_hold_and_no_server_is_left()
    {
        await PlayAsync("demo", "--customers", "40", "--json");
        Assert.Empty(Directory.GetDirectories(_home, "run-*")); // its servers are gone, and what they wrote
    }

    [Fact]
    public async Task A_deployment_that_is_started_again_with_its_clocks_set_back_plays_again()
    {
        await using var company = await Company.OpenAsync([]);
        string[] play = ["demo", "--connect", "--customers", "40", "--json", "--plan-design", $"{company.Address(Company.PlanDesign)}", "--usage", $"{company.Address(Company.Usage)}", "--billing", $"{company.Address(Company.Billing)}"];
        await PlayAsync(play);
        await company.RestartAsync();
        await PlayAsync(play);
    }

    private async Task PlayAsync(params string[] args)
    {
        var (exit, output, error) = await BillingAsync(args);
        Assert.True(exit == 0, error);
        var figures = JsonDocument.Parse(output).RootElement;
        Assert.Equal(40, figures.GetProperty("customers").GetInt32());
        var subscribers = figures.GetProperty("subscribers").GetInt32();
        Assert.InRange(subscribers, 1, 40);
        Assert.Equal(subscribers, figures.GetProperty("menu").EnumerateArray().Sum(p => p.GetProperty("subscribers").GetInt32()));
        Assert.Equal((subscribers, subscribers), (figures.GetProperty("invoices").GetInt32(), figures.GetProperty("invoicesReplayedIdentical").GetInt32()));
        Assert.Equal(20 * subscribers, figures.GetProperty("conversations").GetInt32());
        Assert.True(figures.GetProperty("tokensRecorded").GetInt64() > 0);
        Assert.Equal(figures.GetProperty("tokensRecorded").GetInt64(), figures.GetProperty("tokensInvoiced").GetInt64());
        Assert.Equal(0, figures.GetProperty("tokensPastCap").GetInt64());
        Assert.True(figures.GetProperty("tokensGenerated").GetInt64() > 0);
        Assert.Equal(0, figures.GetProperty("generationsMisrecorded").GetInt32());
        Assert.True(figures.GetProperty("tamperDetected").GetBoolean());
        var predicted = figures.GetProperty("revenuePredicted").GetDecimal();
        Assert.InRange(figures.GetProperty("revenueInvoiced").GetDecimal(), 0.99m * predicted, 1.01m * predicted);
    }

    [Theory]
    [InlineData("", "no conversations; expected lines under the header TIMESTAMP,ContextTokens,GeneratedTokens")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n", "no conversations; expected lines under the header")]
    [InlineData("time,tokens\n1,2\n", "line 1: expected the header")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01,5,7\n2026-01-01,5\n", "line 3: expected 3 fields")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01,5,many\n", "line 2: GeneratedTokens is 'many', expected a whole number from 1 to 131,072")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01,5,131073\n", "line 2: GeneratedTokens is '131073'")]
    [InlineData("TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01,-5,7\n", "line 2: ContextTokens is '-5'")]
    [InlineData(null, "no such file; give a trace with the header")]
    public async Task A_bad_trace_gets_one_line_and_exit_code_1(string? trace, string line)
    {
        var path = Path.Combine(_home, "trace.csv");
        if (trace is not null) await File.WriteAllTextAsync(path, trace);
        var (exit, output, error) = await BillingAsync("demo", "--trace", path, "--json");
        Assert.Equal((1, ""), (exit, output));
        Assert.StartsWith($"billing: {path}", error, StringComparison.Ordinal);
        Assert.Contains(line, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }

    [Theory]
    [InlineData(131_072, "this market is not worth serving: no plan earns more than it costs")]
    [InlineData(10_000, "none of 10 customers finds a plan worth its price: the plans are for few, so ask more with --customers")]
    public async Task A_month_in_which_nothing_can_be_sold_ends_with_one_line_and_without_servers(int tokens, string line)
    {
        var path = Path.Combine(_home, "trace.csv");
        await File.WriteAllTextAsync(path, $"TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01,5,{tokens}\n");
        var (exit, output, error) = await BillingAsync("demo", "--trace", path, "--customers", "10", "--json");
        Assert.Equal((1, ""), (exit, output));
        Assert.Equal($"billing: {line}", error.TrimEnd('\n').Split('\n')[^1]);
        Assert.Empty(Directory.GetDirectories(_home, "run-*"));
    }

    private Task<(int Exit, string Output, string Error)> BillingAsync(params string[] args) =>
        DotnetProcess.RunAsync(typeof(Cli.CommandLine).Assembly.Location, new Dictionary<string, string?> { ["BILLING_HOME"] = _home }, "", args);
}
