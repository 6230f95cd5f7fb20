using PlanDesign.Comparison;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Reports;

/// <summary>A solved menu with what a person sees beside it: each other tariff at its best, and what each rule costs.</summary>
/// <param name="Comparison">Null, and no costs, where the menu may not be used.</param>
public sealed record MenuBesideOthers(MenuSolution Solution, TariffComparison? Comparison, IReadOnlyList<ConstraintCost> ConstraintCosts)
{
    /// <summary>How much of the time a comparison takes, as so many solves of the menu; measured 1.9.</summary>
    private const int SolvesToCompare = 2;

    /// <param name="running">The plans on sale today, exact prices per conversation; null or empty for none.</param>
    /// <param name="progress">From 0 to 1 over all of it.</param>
    /// <param name="compared">False to leave other tariffs out.</param>
    public static MenuBesideOthers Of(
        Market market, SolveOptions options, IReadOnlyList<PlanOffer>? running, IProgress<double>? progress, CancellationToken cancellation, bool compared = true)
    {
        var rules = options.Constraints?.Each().Count() + 1 ?? 0;
        var all = (double)(1 + (compared ? SolvesToCompare : 0) + rules);
        var solution = MenuSolver.Solve(market, options, new PartOfProgress(progress, 0, 1 / all), cancellation);
        if (!solution.IsUsable) return new(solution, null, []);
        var comparison = compared ? TariffComparison.Of(market, solution, running, cancellation) : null;
        progress?.Report(1 - rules / all);
        var costs = Screening.Constraints.ConstraintCosts.Of(market, options, solution, new PartOfProgress(progress, 1 - rules / all, rules / all), cancellation);
        progress?.Report(1);
        return new(solution, comparison, costs);
    }
}
