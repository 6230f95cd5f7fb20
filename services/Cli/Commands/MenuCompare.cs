using System.CommandLine;
using PlanDesign;
using PlanDesign.Comparison;
using PlanDesign.Reports;
using PlanDesign.Screening;

namespace Cli.Commands;

/// <summary><c>billing menu compare FILE|- [as solve] [--running CAP:PRICE,…] [--plans-max K] [--json|--csv]</c></summary>
public static class MenuCompare
{
    private static readonly string[] First = ["menu", "menuWithoutLimit", "onePlan"];

    public static Command Create()
    {
        var (input, running) = (new MenuInput(), Running());
        var plans = PlansMax();
        var (json, csv) = (MenuSolve.Json(), MenuSolve.CsvRows("one row for each way of charging"));
        var command = new Command("compare", "Solves the menu and puts it beside every other way of charging, each at its best.");
        input.AddTo(command);
        foreach (var option in new Option[] { running, plans, json, csv }) command.Add(option);
        command.SetAction(async (parsed, ct) =>
        {
            var (asked, analysis) = await AnalyseAsync(parsed, input, running, plans, ct);
            MenuSolve.MustBeUsable(asked.Market, analysis.Solution);
            if (parsed.GetValue(json)) Console.Out.WriteLine(ReportJson.Write(AnalysisReport.Of(analysis, asked.Period(analysis.Solution)), indented: true));
            else if (parsed.GetValue(csv)) WriteCsv(Console.Out, analysis);
            else MenuForPeople.Print(CommandLine.Output, asked, analysis);
            return 0;
        });
        return command;
    }

    internal static async Task<(MenuAsked Asked, MenuAnalysis Analysis)> AnalyseAsync(
        ParseResult parsed, MenuInput input, Option<PlanOffer[]?> running, Option<int?> plans, CancellationToken ct)
    {
        var asked = await input.ReadAsync(parsed, ct);
        if (parsed.GetValue(running) is { Length: > 0 } offers) asked = asked with { Running = offers };
        var analysis = await ProgressBar.During("comparing",
            progress => MenuAnalysis.Of(asked.Market, asked.Options, asked.Running, parsed.GetValue(plans) ?? MenuAnalysis.PlanCountsDefault, progress, cancellation: ct), ct);
        return (asked, analysis);
    }

    internal static Option<int?> PlansMax() =>
        CommandLine.Count("--plans-max", "K", $"The share of the optimum is shown for 1 to K plans (default {MenuAnalysis.PlanCountsDefault}).", 1, MarketLimits.PlansMax);

    internal static Option<PlanOffer[]?> Running() => new("--running")
    {
        HelpName = "CAP:PRICE,…",
        Description = "The plans on sale today, as tokens and price per conversation.",
        CustomParser = result =>
        {
            var offers = new List<PlanOffer>();
            foreach (var word in result.Tokens[0].Value.Split(','))
            {
                if (word.Split(':') is [var cap, var price]
                    && int.TryParse(cap, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var tokens) && tokens is >= 1 and <= MarketLimits.CapTokensMax
                    && double.TryParse(price, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var amount) && amount is >= 0 and <= MarketLimits.MoneyMax)
                {
                    offers.Add(new(tokens, amount));
                    continue;
                }
                result.AddError($"--running {word} is not a cap in tokens and a price, such as 2000:0.05");
                return null;
            }
            return [.. offers];
        },
    };

    private static void WriteCsv(TextWriter output, MenuAnalysis analysis) => Csv.Write(output,
        ["tariff", "profit", "revenue", "serving_cost", "share_served", "consumer_surplus", "tokens", "price", "fee", "cap_tokens", "menu_earns_more", "share_better", "share_worse", "mean_gain", "mean_loss", "notice"],
        analysis.Comparison is { } comparison ? Rows(comparison) : []);

    /// <summary>One for each way of charging, in their order; without figures where a certificate does not hold, which the last column says.</summary>
    private static IEnumerable<IReadOnlyList<object?>> Rows(TariffComparison comparison)
    {
        var (tariffs, without) = (TariffReport.All(comparison).ToDictionary(t => t.Kind), comparison.WithoutFigures.ToDictionary(w => w.Kind, w => w.Notice));
        foreach (var kind in First.Union(tariffs.Keys))
            yield return tariffs.TryGetValue(kind, out var t)
                ? [t.Kind, t.Profit, t.Revenue, t.ServingCost, t.ShareServed, t.ConsumerSurplus, t.Tokens, t.Price, t.Fee, t.CapTokens, t.MenuEarnsMore, t.ShareBetter, t.ShareWorse, t.MeanGain, t.MeanLoss, null]
                : [kind, .. Enumerable.Repeat<object?>(null, 14), without[kind]];
    }
}
