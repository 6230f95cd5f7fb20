using System.CommandLine;
using System.Text.Json;
using Contracts.PlanDesign.V1;
using PlanDesign;
using PlanDesign.Estimation;
using PlanDesign.Host;
using PlanDesign.Reports;
using Spectre.Console;
using Solving = PlanDesign.Screening.SolveOptions;

namespace Cli.Commands;

/// <summary>
/// <c>billing menu estimate FILE|-</c> learns a market from observations in a file, on this machine; <c>billing menu estimate --menu menu_…</c> has a
/// running plan design ask usage and billing for them.
/// </summary>
public static class MenuEstimate
{
    private static readonly string[] Fits = ["log_normal", "gamma", "uniform", "turnbull"];

    public static Command Create()
    {
        var file = new Argument<string?>("FILE") { Description = "Observations as JSON, or - for standard input; absent with --menu.", Arity = ArgumentArity.ZeroOrOne };
        var menu = new Option<string?>("--menu") { HelpName = "ID", Description = "The menu on sale: lengths come from usage, choices from billing." };
        var without = CommandLine.Count("--without-plan", "N", "With --menu: customers who saw it and bought nothing.", 0, int.MaxValue);
        var (fit, draws, seed) = (Fit(), Draws(), Seed());
        var tiers = CommandLine.Count("--tiers", "K", "The next menu has at most so many plans (default: with --menu as the running one, else no limit).", 1, MarketLimits.PlansMax);
        var robust = new Option<bool>("--robust") { Description = "Also the menu that does best in the worst draw." };
        var output = new Option<string?>("--out") { HelpName = "FILE", Description = "Write the market that was learned, for billing menu solve." };
        var (address, json, csv) = (ServiceAddress.PlanDesign(), MenuSolve.Json(), MenuSolve.CsvRows("one row for each figure and each plan of a menu"));
        var command = new Command("estimate", "Learns the market from what was used and bought, and says what the next menu is worth.")
        {
            file, menu, without, fit, draws, seed, tiers, robust, output, address, json, csv,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(file) is null or { Tokens.Count: 0 } == result.GetResult(menu) is null or { Implicit: true })
                result.AddError("give either a FILE of observations or --menu ID");
        });
        command.SetAction(async (parsed, ct) =>
        {
            var request = new EstimateMarketRequest { Fit = parsed.GetValue(fit)!, Draws = parsed.GetValue(draws) ?? 0, Seed = parsed.GetValue(seed) ?? 0, Robust = parsed.GetValue(robust) };
            if (parsed.GetValue(tiers) is { } k) request.Options = new() { PlansMax = k };
            if (parsed.GetValue(without) is { } n) request.CustomersWithoutPlan = n;
            EstimateMarketResponse found;
            if (parsed.GetValue(menu) is { } menuId)
            {
                request.MenuId = menuId;
                found = await ProgressBar.During("estimating", _ => PlanDesignCalls.AskAsync(parsed.GetValue(address)!, plans => plans.EstimateMarketAsync(request, cancellationToken: ct).ResponseAsync), ct);
            }
            else
            {
                var reading = ObservationsJson.Read(await MenuInput.TextOf(parsed.GetValue(file)!, "observations as JSON", ct));
                found = await Here(reading.Observations ?? throw new UserException(reading.Fault!.ToString()), request, ct);
            }
            if (parsed.GetValue(output) is { } path && found.Market is { } market) await MenuPageCommand.WriteAsync(path, MarketJson.Write(market.ToMarket()) + "\n", ct);
            if (parsed.GetValue(json)) Console.Out.WriteLine(ReportJson.Write(EstimateReport.Of(found), indented: true));
            else if (parsed.GetValue(csv)) EstimateForPeople.WriteCsv(Console.Out, found);
            else EstimateForPeople.Print(CommandLine.Output, found);
            return found.Outcome == "estimated" ? 0 : throw new UserException($"the data cannot tell ({found.Outcome}): {found.Sentence}");
        });
        return command;
    }

    internal static Option<string> Fit()
    {
        var fit = new Option<string>("--fit") { HelpName = string.Join('|', Fits), Description = "How urgency is learned (default log_normal).", DefaultValueFactory = _ => Fits[0] };
        fit.AcceptOnlyFromAmong(Fits);
        return fit;
    }

    internal static Option<int?> Draws() => CommandLine.Count("--draws", "N", "Bootstrap draws (default 400).", 20, EstimationOptions.DrawsMax);

    internal static Option<int?> Seed() => CommandLine.Count("--seed", "N", "The same observations and seed give the same bits (default 1).", 1, int.MaxValue);

    internal static EstimationOptions OptionsOf(string fit, int? draws, int? seed) => new(EstimationMessages.FitOf(fit), draws ?? new EstimationOptions().Draws, seed ?? 1);

    private static Task<EstimateMarketResponse> Here(MarketObservations observed, EstimateMarketRequest request, CancellationToken ct) => ProgressBar.During("estimating", progress =>
    {
        var options = OptionsOf(request.Fit, request.Draws == 0 ? null : request.Draws, request.Seed == 0 ? null : request.Seed);
        var share = request.Robust ? 1.0 / 3 : 0.5;
        var estimate = MarketEstimation.Of(observed, options, new PartOfProgress(progress, 0, share), ct);
        var solving = new Solving(request.Options?.PlansMax);
        var running = observed.Menus.Count == 0 ? [] : observed.Menus[^1].Plans.Select(p => p.Offer).ToArray();
        var next = estimate.IsEstimated ? PlanDesign.Estimation.NextMenu.Of(estimate, running, solving, new PartOfProgress(progress, share, share), ct) : null;
        var cautious = next is { Menu.IsUsable: true } && request.Robust ? Cautious(estimate, solving, new PartOfProgress(progress, 2 * share, share), ct) : null;
        return EstimationMessages.ToMessage(observed, estimate, next, cautious);
    }, ct);

    private static PlanDesign.Estimation.RobustMenu Cautious(EstimatedMarket estimate, Solving solving, PartOfProgress progress, CancellationToken ct)
    {
        try
        {
            return PlanDesign.Estimation.RobustMenu.Of(estimate, solving, progress, ct);
        }
        catch (ArgumentException e)
        {
            throw new UserException(e.Message);
        }
    }
}

/// <summary>What <c>billing menu estimate --json</c> prints. Fields may be added, never renamed.</summary>
/// <param name="Market">In the form that <c>billing menu solve</c> reads; absent where the data cannot tell.</param>
public sealed record EstimateReport(
    string Outcome, string Sentence, long Conversations, long Customers, IReadOnlyList<FigureReport> Figures, IReadOnlyList<PlanIntervalReport> Plans,
    double LogLikelihood, int DrawsThatCouldNotTell, IReadOnlyList<string> Notices, NextMenuReport? Next, RobustMenuReport? Robust, JsonElement? Market)
{
    public static EstimateReport Of(EstimateMarketResponse r) => new(
        r.Outcome, r.Sentence, r.Conversations, r.Customers,
        [.. r.Figures.Select(f => new FigureReport(f.Name, f.Unit, f.Interval.Estimate_, Finite(f.Interval.Low), Finite(f.Interval.High)))],
        [.. r.Plans.Select(p => new PlanIntervalReport(p.Menu, p.PlanId, p.FromPerSecond, Finite(p.ToPerSecond), p.Customers))],
        r.LogLikelihood, r.DrawsThatCouldNotTell, r.Notices,
        r.Next is { } n
            ? new(Tiers(n.Menu), n.Menu.ExitReason, Interval(n.Profit), Interval(n.RunningProfit), Interval(n.ProfitDifference), Interval(n.RevenueDifference), n.ShareOfDrawsBetter, n.HasHeldOutProfitDifference ? n.HeldOutProfitDifference : null)
            : null,
        r.Robust is { } b ? new(Tiers(b.Menu), b.WorstProfit, b.WorstProfitBound, b.WorstProfitOfNext, b.ProfitAtEstimate, b.ProfitOfNextAtEstimate) : null,
        r.Market is { } market ? JsonDocument.Parse(MarketJson.Write(market.ToMarket())).RootElement : null);

    internal static double? Finite(double value) => double.IsFinite(value) ? value : null;
    private static IntervalReport Interval(Estimate e) => new(e.Estimate_, Finite(e.Low), Finite(e.High));
    private static PlanReport[] Tiers(Solution menu) => [.. menu.Tiers.Select(t => new PlanReport(t.CapTokens, t.Price, t.Share))];
}

public sealed record IntervalReport(double Estimate, double? Low, double? High);
public sealed record FigureReport(string Name, string Unit, double Estimate, double? Low, double? High);
public sealed record PlanIntervalReport(int Menu, string PlanId, double FromPerSecond, double? ToPerSecond, long Customers);
public sealed record PlanReport(int CapTokens, double Price, double Share);
public sealed record NextMenuReport(
    IReadOnlyList<PlanReport> Tiers, string ExitReason, IntervalReport Profit, IntervalReport RunningProfit, IntervalReport ProfitDifference,
    IntervalReport RevenueDifference, double ShareOfDrawsBetter, double? HeldOutProfitDifference);
public sealed record RobustMenuReport(
    IReadOnlyList<PlanReport> Tiers, double WorstProfit, double WorstProfitBound, double WorstProfitOfNext, double ProfitAtEstimate, double ProfitOfNextAtEstimate);

/// <summary>What was learned, as tables.</summary>
internal static class EstimateForPeople
{
    public static void Print(IAnsiConsole console, EstimateMarketResponse found)
    {
        console.WriteLine($"{found.Conversations:#,0} conversations, {found.Customers:#,0} customers");
        foreach (var notice in found.Notices) console.MarkupLineInterpolated($"[yellow]{notice}[/]");
        if (found.Outcome != "estimated") return;
        console.WriteLine(found.Sentence);
        var figures = MenuForPeople.Columns("figure", "estimate", "from", "to", "unit").Title("the market, with intervals");
        foreach (var f in found.Figures) figures.AddRow([.. new[] { f.Name, Number(f.Interval.Estimate_), Number(f.Interval.Low), Number(f.Interval.High), f.Unit }.Select(Markup.Escape)]);
        console.Write(figures);
        if (found.Next is not { } next) return;
        Menu(console, "the next menu", next.Menu);
        var worth = MenuForPeople.Columns("money a conversation", "estimate", "from", "to").Title("what it is worth");
        foreach (var (name, e) in Worth(next))
            worth.AddRow(name, Number(e.Estimate_), Number(e.Low), Number(e.High));
        if (next.HasHeldOutProfitDifference) worth.AddRow("difference on customers it was not solved from", Number(next.HeldOutProfitDifference), "", "");
        console.Write(worth.Caption(next.HasHeldOutProfitDifference
            ? "each menu held fixed over the draws; the next one was chosen on the same customers, so its figures flatter it: the last row does not"
            : "each menu held fixed over the draws; the next one was chosen on the same customers, so its figures flatter it, and they are too few to hold some out"));
        console.WriteLine($"Better in {MenuForPeople.Percent(next.ShareOfDrawsBetter)} of the draws.");
        if (found.Robust is not { } robust) return;
        Menu(console, "the menu that does best in the worst draw", robust.Menu);
        console.WriteLine($"Earns at least {Number(robust.WorstProfit)} in every draw (no menu more than {Number(robust.WorstProfitBound)}; the next menu {Number(robust.WorstProfitOfNext)}), and {Number(robust.ProfitAtEstimate)} instead of {Number(robust.ProfitOfNextAtEstimate)} if the estimate is right.");
    }

    public static void WriteCsv(TextWriter output, EstimateMarketResponse found) => Csv.Write(output,
        ["kind", "name", "unit", "estimate", "low", "high", "cap_tokens", "price_per_conversation", "share"], Rows(found));

    private static IEnumerable<object?[]> Rows(EstimateMarketResponse found)
    {
        foreach (var f in found.Figures) yield return Row("figure", f.Name, f.Unit, f.Interval);
        if (found.Next is not { } next) yield break;
        foreach (var (name, e) in Worth(next)) yield return Row("worth", name, "money per conversation", e);
        foreach (var t in next.Menu.Tiers) yield return ["next_menu", null, null, null, null, null, t.CapTokens, t.Price, t.Share];
        foreach (var t in found.Robust?.Menu.Tiers ?? []) yield return ["robust_menu", null, null, null, null, null, t.CapTokens, t.Price, t.Share];

        static object?[] Row(string kind, string name, string unit, Estimate e) =>
            [kind, name, unit, e.Estimate_, EstimateReport.Finite(e.Low), EstimateReport.Finite(e.High), null, null, null];
    }

    private static (string Name, Estimate Worth)[] Worth(Contracts.PlanDesign.V1.NextMenu next) =>
        [("next menu", next.Profit), ("menu on sale", next.RunningProfit), ("difference of profit", next.ProfitDifference), ("difference of revenue", next.RevenueDifference)];

    private static void Menu(IAnsiConsole console, string title, Solution menu)
    {
        var table = MenuForPeople.Columns("cap, tokens", "price a conversation", "share of customers").Title(title);
        foreach (var t in menu.Tiers.Take(MenuForPeople.PlansShown)) table.AddRow(t.CapTokens.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture), Number(t.Price), MenuForPeople.Percent(t.Share));
        console.Write(MenuForPeople.SayRest(table, menu.Tiers.Count));
    }

    private static string Number(double value) => double.IsFinite(value) ? MenuForPeople.Number(value) : "";
}
