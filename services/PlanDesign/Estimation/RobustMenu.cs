using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>
/// The menu whose worst profit over the bootstrap draws of urgency is largest; lengths are held at their estimate. The best menu for the worst draw is
/// no longest path, but the optimum of any mixture of the draws bounds it from above, and the menus that are best for mixtures are the ones to try
/// (theory section 6): each round gives more weight to the draws in which the menu so far does badly (Freund and Schapire 1999), solves the
/// mixture exactly, and keeps the best of all. Inside a Turnbull interval everybody stands at its urgent end, which is the worst case there. Money
/// per conversation of the whole market.
/// </summary>
/// <param name="Menu">Solved for the mixture of draws against which it stands best, and certified like any other.</param>
/// <param name="WorstProfit">What it earns in its worst draw.</param>
/// <param name="WorstProfitBound">No menu of its kind at exact prices has a larger worst profit on the same types.</param>
/// <param name="WorstProfitOfNext">What the menu that is best for the estimate earns in its own worst draw.</param>
/// <param name="ProfitAtEstimate">What caution costs if the estimate is right: this menu's profit there.</param>
/// <param name="ProfitOfNextAtEstimate">... against that of the menu that is best there.</param>
public sealed record RobustMenu(
    MenuSolution Menu, double WorstProfit, double WorstProfitBound, double WorstProfitOfNext, double ProfitAtEstimate, double ProfitOfNextAtEstimate, int Rounds)
{
    private const int RoundsMax = 60;
    private const int TypesMax = 150;

    public IReadOnlyList<PlanOffer> Offers => NextMenu.OffersOf(Menu);

    /// <exception cref="ArgumentException">The estimate could not tell, the options cannot be kept in its market, or a mixture of draws has no menu that is certified.</exception>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static RobustMenu Of(
        EstimatedMarket estimate, SolveOptions options, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if (!estimate.IsEstimated) throw new ArgumentException($"there is no market to solve: {estimate.Sentence}", nameof(estimate));
        var worlds = UrgencyWorlds.Of(estimate, TypesMax);
        // The menu that is best for the estimate is the first candidate.
        var solved = Usable(MenuSolver.Solve(estimate.Market!, options, null, cancellation));
        var (next, best) = (NextMenu.OffersOf(solved), solved);
        var worstOfNext = worlds.Profits(next).Min();
        var weights = new double[worlds.Weights.Length];
        Array.Fill(weights, 1.0 / weights.Length);
        var (worst, bound, scale, round) = (worstOfNext, double.PositiveInfinity, 0.0, 0);
        var losses = new double[weights.Length];
        while (round++ < RoundsMax)
        {
            cancellation.ThrowIfCancellationRequested();
            var menu = Usable(MenuSolver.Solve(worlds.Mixture(weights), options, null, cancellation));
            bound = Math.Min(bound, menu.Certificate.UpperBound);
            var profits = worlds.Profits(NextMenu.OffersOf(menu));
            if (profits.Min() > worst) (best, worst) = (menu, profits.Min());
            scale = Math.Max(scale, profits.Max() - profits.Min());
            if (scale <= 0 || bound - worst <= 1e-9 * estimate.Market!.ValuePerAnswer) break;
            for (var d = 0; d < losses.Length; d++) losses[d] += (profits[d] - profits.Min()) / scale;
            var (rate, least) = (Math.Sqrt(8 * Math.Log(losses.Length) / round), losses.Min());
            for (var d = 0; d < weights.Length; d++) weights[d] = Math.Exp(-rate * (losses[d] - least));
            var sum = weights.Sum();
            for (var d = 0; d < weights.Length; d++) weights[d] /= sum;
            progress?.Report((double)round / RoundsMax);
        }
        var robust = NextMenu.OffersOf(best);
        return new(best, worst, bound, worstOfNext, estimate.Base!.Of(robust).Profit, estimate.Base.Of(next).Profit, Math.Min(round, RoundsMax));
    }

    private static MenuSolution Usable(MenuSolution menu) =>
        menu.Fault is { } fault ? throw new ArgumentException(fault.ToString())
        : menu.IsUsable ? menu
        : throw new ArgumentException("the certificate does not hold for the best menu of a mixture of draws: there is no robust menu; bring the market's numbers closer to 1, by another unit of money or of tokens");
}
