using System.CommandLine;
using Cli.Pages;
using PlanDesign.Reports;

namespace Cli.Commands;

/// <summary><c>billing menu report FILE|- --out menu.html [--title TEXT] [as compare]</c></summary>
public static class MenuPageCommand
{
    public static Command Create()
    {
        var (input, running, plans) = (new MenuInput(), MenuCompare.Running(), MenuCompare.PlansMax());
        var output = new Option<string>("--out") { HelpName = "FILE", Description = "The HTML file to write.", Required = true };
        var title = new Option<string>("--title") { HelpName = "TEXT", Description = "What the page is called.", DefaultValueFactory = _ => "The best menu" };
        var command = new Command("report", "Writes the menu, its proof and its comparison as one self-contained page.");
        input.AddTo(command);
        foreach (var option in new Option[] { running, plans, output, title }) command.Add(option);
        command.SetAction(async (parsed, ct) =>
        {
            var (asked, analysis) = await MenuCompare.AnalyseAsync(parsed, input, running, plans, ct);
            MenuSolve.MustBeUsable(asked.Market, analysis.Solution);
            // Where no plan is worth offering, the page says so and what the rules cost: nothing depends on the market, and no capacity is asked for.
            if (analysis.Solution.Tiers.Count == 0)
            {
                await WriteAsync(parsed.GetValue(output)!, MenuPage.Of(parsed.GetValue(title)!, asked, analysis, [], FrontierReport.Nothing), ct);
                await Console.Error.WriteLineAsync($"{parsed.GetValue(output)}: there is no plan worth offering, and the page says why");
                return 0;
            }
            var sensitivity = await ProgressBar.During("trying other markets", progress => Sensitivity.Of(asked.Market, asked.Options, analysis.Solution, progress, ct), ct);
            var frontier = await ProgressBar.During("tracing capacity", progress => FrontierReport.Of(asked.Market, asked.Options, new(), progress, ct), ct);
            await WriteAsync(parsed.GetValue(output)!, MenuPage.Of(parsed.GetValue(title)!, asked, analysis, sensitivity, frontier), ct);
            await Console.Error.WriteLineAsync($"{parsed.GetValue(output)}: open it in a browser, or print it");
            return 0;
        });
        return command;
    }

    internal static async Task WriteAsync(string path, string text, CancellationToken ct)
    {
        try
        {
            await File.WriteAllTextAsync(path, text, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be written: {e.Message}");
        }
    }
}
