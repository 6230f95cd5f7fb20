using System.CommandLine;
using System.Globalization;
using PlanDesign.Reports;
using PlanDesign.Screening;
using Spectre.Console;
using static Cli.Commands.MenuForPeople;

namespace Cli.Commands;

/// <summary><c>billing menu frontier FILE|- [as solve] [--conversations-per-second X [--capacity T] [--gpu T]] [--json|--csv]</c></summary>
public static class MenuFrontier
{
    public static Command Create()
    {
        var (input, json, csv) = (new MenuInput(), MenuSolve.Json(), MenuSolve.CsvRows("one row for each capacity"));
        var perSecond = Positive("--conversations-per-second", "X", "How many conversations begin in a second, those that buy nothing included: capacities are then said in tokens per second.");
        var capacity = Positive("--capacity", "TOKENS", "The tokens per second that can be generated today, over all conversations.");
        var gpu = Positive("--gpu", "TOKENS", "The tokens per second that one GPU generates, over all conversations: what one less costs.");
        var command = new Command("frontier", "Profit, revenue and tokens as capacity, or what a token costs, varies: what a GPU less costs. At exact prices, under the rules on caps.");
        input.AddTo(command);
        foreach (var option in new Option[] { perSecond, capacity, gpu, json, csv }) command.Add(option);
        command.SetAction(async (parsed, ct) =>
        {
            var asked = await input.ReadAsync(parsed, ct);
            var traffic = new Traffic(parsed.GetValue(perSecond), parsed.GetValue(gpu), parsed.GetValue(capacity));
            if ((traffic.Check() ?? asked.Options.Check() ?? asked.Market.Check(ct)) is { } fault) throw new UserException(fault.ToString());
            var report = await ProgressBar.During("tracing", progress => Trace(asked, traffic, progress, ct), ct);
            if (parsed.GetValue(json)) Console.Out.WriteLine(PlanDesign.ReportJson.Write(report, indented: true));
            else if (parsed.GetValue(csv)) WriteCsv(Console.Out, report);
            else Print(CommandLine.Output, asked, report);
            return 0;
        });
        return command;
    }

    private static FrontierReport Trace(MenuAsked asked, Traffic traffic, IProgress<double> progress, CancellationToken ct)
    {
        try
        {
            return FrontierReport.Of(asked.Market, asked.Options, traffic, progress, ct);
        }
        catch (ArgumentException e)
        {
            throw new UserException(e.Message);
        }
    }

    private static void Print(IAnsiConsole console, MenuAsked asked, FrontierReport report)
    {
        if (report.Capacity.Count == 0)
        {
            console.WriteLine(WhyNot.NotWorthServing(asked.Market, asked.Options.Constraints));
            return;
        }
        var served = $"{MenuForPeople.Counted(asked)} served";
        PrintCapacity(console, report, served);
        if (report.TokenCosts.Count > 0)
        {
            var costs = Columns("a token costs", "earns a conversation", "paid", "serving cost", "tokens a conversation", served).Title("what the cost of a token earns");
            foreach (var c in report.TokenCosts)
                costs.AddRow(c.HasFigures ? [Number(c.CostPerToken), Number(c.Profit!.Value), Number(c.Revenue!.Value), Number(c.ServingCost!.Value), Number(c.TokensPerConversation!.Value), Percent(c.ShareServed!.Value)] : [Number(c.CostPerToken), "not certified"]);
            console.Write(costs);
        }
        foreach (var notice in report.Notices) console.MarkupLineInterpolated($"[yellow]{notice}[/]");
    }

    private static void PrintCapacity(IAnsiConsole console, FrontierReport report, string served)
    {
        var each = report.ConversationsPerSecond is not null;
        var table = Columns(["of what the market would take", "tokens a conversation", .. each ? ["tokens a second"] : Array.Empty<string>(), "one more token earns", "earns a conversation", "paid", "serving cost", served, .. each ? ["earns a second"] : Array.Empty<string>()])
            .Title("what capacity earns");
        foreach (var row in report.Capacity) table.AddRow(Cells(row, each));
        console.Write(table);
        if (report.Today is { HasFigures: true } today)
            console.WriteLine($"Today's {Number(today.TokensPerSecond!.Value)} tokens a second in use earn {Number(today.ProfitPerSecond!.Value)} a second, {Percent(today.ShareOfDemand)} of what the market would take; one more token earns {Number(today.ShadowPricePerToken!.Value)}.");
        if (report.Gpus.Count > 0)
        {
            var gpus = Columns("GPUs", "tokens a second", "in use", "earns a second", "one less costs a second", "one less costs an hour").Title("what a GPU less costs, its own price left out");
            foreach (var g in report.Gpus)
                gpus.AddRow([g.Gpus.ToString("#,0", CultureInfo.InvariantCulture), Number(g.TokensPerSecond), .. g.HasFigures
                    ? [Percent(g.Utilisation!.Value), Number(g.ProfitPerSecond!.Value), Number(g.OneLessCostsPerSecond!.Value), Number(3600 * g.OneLessCostsPerSecond.Value)] : (string[])["", "not certified"]]);
            console.Write(gpus);
        }
    }

    private static string[] Cells(CapacityRow row, bool each) =>
    [
        Percent(row.ShareOfDemand), Shown(row.TokensPerConversation), .. each ? [Shown(row.TokensPerSecond)] : Array.Empty<string>(), .. row.HasFigures
            ? [Number(row.ShadowPricePerToken!.Value), Number(row.Profit!.Value), Number(row.Revenue!.Value), Number(row.ServingCost!.Value), Percent(row.ShareServed!.Value), .. each ? [Number(row.ProfitPerSecond!.Value)] : Array.Empty<string>()]
            : (string[])["", "not certified"],
    ];

    private static string Shown(double? number) => number is { } known ? Number(known) : "";

    private static void WriteCsv(TextWriter output, FrontierReport report) => Csv.Write(output,
        ["share_of_demand", "tokens_per_conversation", "shadow_price_per_token", "profit", "revenue", "serving_cost", "share_served", "tokens_per_second", "profit_per_second", "revenue_per_second", "notice"],
        report.Capacity.Select(r => new object?[]
        {
            r.ShareOfDemand, r.TokensPerConversation, r.ShadowPricePerToken, r.Profit, r.Revenue, r.ServingCost, r.ShareServed, r.TokensPerSecond, r.ProfitPerSecond, r.RevenuePerSecond, r.Notice,
        }));

    private static Option<double?> Positive(string name, string placeholder, string description) => new(name)
    {
        HelpName = placeholder,
        Description = description,
        CustomParser = result =>
        {
            if (double.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= Traffic.Max) return number;
            result.AddError($"{name} {result.Tokens[0].Value} is not a number above 0");
            return null;
        },
    };
}
