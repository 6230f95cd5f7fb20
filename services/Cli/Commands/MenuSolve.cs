using System.CommandLine;
using PlanDesign;
using PlanDesign.Comparison;
using PlanDesign.Screening;

namespace Cli.Commands;

/// <summary><c>billing menu solve FILE|- [--tiers K] [--round CURRENCY --conversations N] [--json]</c></summary>
public static class MenuSolve
{
    private const string StandardInput = "-";

    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The market as JSON, or - for standard input." };
        var tiers = CommandLine.Count("--tiers", "K", "At most so many plans. Default: as many as are worth having.", 1, MarketLimits.PlansMax);
        var round = new Option<string?>("--round") { HelpName = "CURRENCY", Description = "Whole minor units of this currency (ISO 4217) on the invoice. Default: exact prices." };
        var conversations = CommandLine.Count("--conversations", "N", "Conversations that a period's fee covers; goes with --round.", 1, MinorUnits.ConversationsPerPeriodMax);
        var json = new Option<bool>("--json") { Description = "One JSON object on standard output, nothing else." };

        var command = new Command("solve", "Solves the revenue-optimal menu for a market, and certifies it.") { file, tiers, round, conversations, json };
        command.Validators.Add(result =>
        {
            if (result.GetResult(round) is null != result.GetResult(conversations) is null)
                result.AddError("--round and --conversations go together: the invoiced amount is price × conversations");
        });
        command.SetAction(async (parsed, ct) =>
        {
            var currency = parsed.GetValue(round) is { } code ? CurrencyOf(code) : null;
            var units = currency is null ? null : new MinorUnits(Math.Pow(10, -currency.Digits), parsed.GetValue(conversations)!.Value);
            var market = await Read(parsed.GetValue(file)!, ct);
            return Solve(market, new SolveOptions(parsed.GetValue(tiers), units), currency, parsed.GetValue(json), ct);
        });
        return command;
    }

    private static int Solve(Market market, SolveOptions options, Currency? currency, bool json, CancellationToken ct)
    {
        var solution = MenuSolver.Solve(market, options, null, ct);
        if (solution.Fault is { } fault) throw new UserException(fault.ToString());
        if (json) Console.Out.WriteLine(MenuReport.Of(solution).ToJson(indented: true));
        else MenuForPeople.Print(CommandLine.Output, solution, solution.IsUsable ? TariffComparison.Of(market, solution, ct) : null, currency);
        return solution.IsUsable
            ? 0
            : throw new UserException($"the certificate does not hold (gap {solution.Certificate.Gap:G3}): do not use this menu; bring the market's numbers closer to 1");
    }

    private static Currency CurrencyOf(string code) => Currency.TryParse(code, out var currency)
        ? currency
        : throw new UserException($"--round {code} is not an ISO 4217 currency code known here, such as USD, EUR or JPY");

    private static async Task<Market> Read(string file, CancellationToken ct)
    {
        string text;
        try
        {
            text = file == StandardInput ? await Console.In.ReadToEndAsync(ct) : await File.ReadAllTextAsync(file, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException(e is FileNotFoundException or DirectoryNotFoundException ? $"{file}: no such file" : $"{file}: {e.Message}");
        }
        if (string.IsNullOrWhiteSpace(text)) throw new UserException($"{(file == StandardInput ? "standard input" : file)} is empty: expected a market as JSON");
        var reading = MarketJson.Read(text);
        return reading.Market ?? throw new UserException(reading.Fault!.ToString());
    }
}
