using System.CommandLine;
using PlanDesign;
using PlanDesign.Reports;
using PlanDesign.Screening;

namespace Cli.Commands;

/// <summary><c>billing menu solve FILE|- [--tiers K] [--round CURRENCY --conversations N] [rules] [--json|--csv]</c></summary>
public static class MenuSolve
{
    public static Command Create()
    {
        var (input, json, csv) = (new MenuInput(), Json(), CsvRows("one row for each plan"));
        var command = new Command("solve", "Solves the revenue-optimal menu for a market, and certifies it.");
        input.AddTo(command);
        command.Add(json);
        command.Add(csv);
        command.SetAction(async (parsed, ct) =>
        {
            var asked = await input.ReadAsync(parsed, ct);
            var (solution, comparison, costs) = await ProgressBar.During("solving",
                progress => MenuBesideOthers.Of(asked.Market, asked.Options, asked.Running, progress, ct, compared: !parsed.GetValue(json) && !parsed.GetValue(csv)), ct);
            MustBeUsable(asked.Market, solution);
            if (parsed.GetValue(json)) Console.Out.WriteLine(MenuReport.Of(solution, costs, asked.Period(solution)).ToJson(indented: true));
            else if (parsed.GetValue(csv)) WriteCsv(Console.Out, solution);
            else MenuForPeople.Print(CommandLine.Output, asked, solution, comparison, costs);
            return 0;
        });
        return command;
    }

    internal static Option<bool> Json() => new("--json") { Description = "One JSON object on standard output, nothing else." };

    internal static Option<bool> CsvRows(string rows) => new("--csv") { Description = $"Comma-separated values for spreadsheets: {rows}." };

    /// <summary>What is not certified has no figures: the line says which part of the certificate does not hold, and by how much.</summary>
    internal static void MustBeUsable(Market market, MenuSolution solution)
    {
        if (solution.Fault is { } fault) throw new UserException(fault.ToString());
        if (!solution.IsUsable)
            throw new UserException($"the certificate does not hold ({System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(solution.ExitReason.ToString())}: {Failing(market, solution)}): there is no menu to use; {WhyNot.NotCertified(market)}");
    }

    private static string Failing(Market market, MenuSolution solution)
    {
        var c = solution.Certificate;
        // A menu in minor units, or with value at the cap, may stay below its bound; none may exceed it.
        var (aboveBound, mayStayBelow) = (Math.Max(0, -c.Gap), solution.Rounding is not null || market.ValueAtCap > 0);
        (double Size, string Words)[] residuals =
        [
            (c.MaxParticipationViolation, $"a customer loses {c.MaxParticipationViolation:G3} by buying"), (c.MaxIncentiveViolation, $"a customer gains {c.MaxIncentiveViolation:G3} by another plan than the one meant"),
            (aboveBound, $"it earns {aboveBound:G3} more than its bound"), (mayStayBelow ? 0 : c.Gap, $"the bound is {c.Gap:G3} above what it earns"),
        ];
        var largest = residuals.MaxBy(r => r.Size);
        return largest.Size > MenuSolver.CertificateTolerance * market.ValuePerAnswer ? largest.Words : "separate code does not find the same tables, or not the same prices in minor units";
    }

    private static void WriteCsv(TextWriter output, MenuSolution solution) => Csv.Write(output,
        ["cap_tokens", "price_per_conversation", "fee_minor_units_per_period", "share", "urgency_from_per_second", "urgency_to_per_second", "expected_tokens_per_conversation", "serving_cost_per_conversation"],
        solution.Tiers.Select(t => new object?[]
        {
            t.CapTokens, t.PricePerConversation, t.PriceMinorUnitsPerPeriod, t.Share, t.UrgencyFromPerSecond, t.UrgencyToPerSecond, t.ExpectedTokensPerConversation, t.ServingCostPerConversation,
        }));
}
