using PlanDesign.Screening;

namespace PlanDesign.Estimation;

/// <summary>
/// The menu to sell next, and what it is worth over the one that runs. Money per conversation of the whole market. Every interval holds the new menu
/// fixed: to solve anew in each draw would make the difference non-negative by construction. By Turnbull's shares, which say nothing of the inside of an
/// interval, every menu is judged at its worst; for a running menu among those observed that is what it did earn, so the difference is a lower bound.
/// </summary>
/// <param name="Menu">Solved for the estimate and certified; its profit is what the solver reports, the intervals are of the same plans.</param>
/// <param name="ProfitDifference">Next less running, over the bootstrap draws.</param>
/// <param name="ShareOfDrawsBetter">In how many of the draws the next menu earns more profit than the running one.</param>
/// <param name="HeldOutProfitDifference">
/// The same gain where the menu is solved on one half of the customers and judged on the other, both ways, on average: a profit maximised on an
/// estimate flatters itself, this one does not. Null where half of the customers cannot tell.
/// </param>
public sealed record NextMenu(
    MenuSolution Menu, Interval Profit, Interval Revenue, Interval RunningProfit, Interval RunningRevenue, Interval ProfitDifference, Interval RevenueDifference,
    double ShareOfDrawsBetter, double? HeldOutProfitDifference)
{
    /// <summary>The next menu as customers see it.</summary>
    public IReadOnlyList<PlanOffer> Offers => OffersOf(Menu);

    /// <param name="running">The plans on sale today, exact prices per conversation; empty for none.</param>
    /// <returns>A menu that may be unusable: ask <see cref="MenuSolution.IsUsable"/> first, and its fault.</returns>
    /// <exception cref="ArgumentException">The estimate could not tell.</exception>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static NextMenu Of(
        EstimatedMarket estimate, IReadOnlyList<PlanOffer> running, SolveOptions options, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if (!estimate.IsEstimated) throw new ArgumentException($"there is no market to solve: {estimate.Sentence}", nameof(estimate));
        var menu = MenuSolver.Solve(estimate.Market!, options, new PartOfProgress(progress, 0, 1.0 / 3), cancellation);
        var offers = OffersOf(menu);
        var (draws, confidence) = (estimate.Draws, estimate.Options!.Confidence);
        Earnings[] next = [.. draws.Select(d => d.Of(offers))], now = [.. draws.Select(d => d.Of(running))];
        Interval Of(Func<Earnings, Earnings, double> figure) =>
            Interval.Of(figure(estimate.Base!.Of(offers), estimate.Base.Of(running)), [.. next.Zip(now, figure)], confidence);
        return new(menu, Of((a, _) => a.Profit), Of((a, _) => a.Revenue), Of((_, b) => b.Profit), Of((_, b) => b.Revenue),
            Of((a, b) => a.Profit - b.Profit), Of((a, b) => a.Revenue - b.Revenue),
            next.Zip(now, (a, b) => a.Profit > b.Profit).Count(better => better) / (double)Math.Max(1, draws.Count),
            HeldOut.Difference(estimate, running, options, new PartOfProgress(progress, 1.0 / 3, 2.0 / 3), cancellation));
    }

    /// <summary>What one menu earns more than another, both held fixed over the draws.</summary>
    internal static Interval ProfitDifferenceOf(EstimatedMarket estimate, IReadOnlyList<PlanOffer> one, IReadOnlyList<PlanOffer> other)
    {
        double Difference(MarketDraw draw) => (draw.Of(one) - draw.Of(other)).Profit;
        return Interval.Of(Difference(estimate.Base!), [.. estimate.Draws.Select(Difference)], estimate.Options!.Confidence);
    }

    internal static PlanOffer[] OffersOf(MenuSolution menu) =>
        menu.IsUsable ? [.. menu.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))] : [];
}

/// <summary>Solved on one half of the customers, judged on the other.</summary>
internal static class HeldOut
{
    public static double? Difference(EstimatedMarket estimate, IReadOnlyList<PlanOffer> running, SolveOptions options, IProgress<double> progress, CancellationToken cancellation)
    {
        var (seen, how) = (estimate.Observations!, estimate.Options! with { Draws = 20 });
        var halves = Halves(seen, MarketEstimation.SeedOf(how.Seed, -1));
        var fitted = halves.Select(half =>
        {
            var lengths = new Resampling(half);
            return (Seen: half, Lengths: lengths, Fitted.Of(half, how.Fit, lengths.Lengths, lengths.Observed(), null, new(null, how.UrgencyFrom?.Base!.Urgency), cancellation).Fitted);
        }).ToArray();
        if (fitted.Any(f => f.Fitted is null)) return null;
        var sum = 0.0;
        for (var n = 0; n < 2; n++)
        {
            var market = estimate.Market! with
            {
                Urgency = fitted[n].Fitted!.Draw.Urgency,
                AnswerTime = new AnswerTimes.EmpiricalAnswerTime(
                    fitted[n].Seen.Conversations.Select(c => c.GeneratedTokens), fitted[n].Seen.Conversations.Select(c => c.Cut)),
            };
            var menu = MenuSolver.Solve(market, options, new PartOfProgress(progress, n / 2.0, 0.5), cancellation);
            if (!menu.IsUsable) return null;
            var judge = fitted[1 - n].Fitted!.Draw;
            sum += (judge.Of(NextMenu.OffersOf(menu)) - judge.Of(running)).Profit / 2;
        }
        return sum;
    }

    /// <summary>Customers by lot into two halves, each with its conversations.</summary>
    private static MarketObservations[] Halves(MarketObservations seen, Random random)
    {
        var side = seen.Conversations.Where(c => c.Customer is not null).Select(c => c.Customer!).Distinct(StringComparer.Ordinal)
            .ToDictionary(c => c, _ => random.Next(2), StringComparer.Ordinal);
        var conversations = seen.Conversations.ToLookup(c => c.Customer is null ? random.Next(2) : side[c.Customer]);
        var menus = seen.Menus.Select(menu =>
        {
            var first = menu.Plans.Select(p => Multinomial.Binomial(random, p.Customers, 0.5)).ToArray();
            long? without = menu.CustomersWithoutPlan is { } none ? Multinomial.Binomial(random, none, 0.5) : null;
            return (First: new ObservedMenu([.. menu.Plans.Select((p, k) => p with { Customers = first[k] })], without),
                Second: new ObservedMenu([.. menu.Plans.Select((p, k) => p with { Customers = p.Customers - first[k] })], menu.CustomersWithoutPlan - without));
        }).ToArray();
        return
        [
            seen with { Conversations = [.. conversations[0]], Menus = [.. menus.Select(m => m.First)] },
            seen with { Conversations = [.. conversations[1]], Menus = [.. menus.Select(m => m.Second)] },
        ];
    }
}
