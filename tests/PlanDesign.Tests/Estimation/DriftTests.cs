using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

public sealed class DriftTests
{
    private static readonly PlanOffer[] Running = [new(24, 0.42), new(6, 0.27), new(2, 0.13)];

    [Fact]
    public void The_log_rank_statistic_is_that_of_a_sum_done_by_hand()
    {
        // At risk 5+5. At 1: one answer of the first (expected of the second 5/10); at 2: one of the second (5/9), then a cut of the first;
        // at 4: one of each (4/7 each). E = 1/2 + 5/9 + 8/7, O = 2; V = 1/4 + 20/81 + 2·(4/7)(3/7)(5/6).
        ObservedConversation[] first = [new(1, false), new(2, true), new(4, false), new(9, true), new(9, true)];
        ObservedConversation[] second = [new(2, false), new(4, false), new(9, true), new(9, true), new(9, true)];
        var excess = 2 - (0.5 + 5 / 9.0 + 8 / 7.0);
        var variance = 0.25 + 20 / 81.0 + 2 * (12 / 49.0) * (5 / 6.0);
        var test = LogRank.Of(first, second);
        Assert.Equal(excess, test.Excess, 1e-12);
        Assert.Equal(excess * excess / variance, test.Statistic, 1e-12);
        Assert.Equal(LogRank.Of(second, first).PValue, test.PValue, 1e-12);
        Assert.Equal(1, LogRank.Of(first, []).PValue);
    }

    [Fact]
    public void Plan_shares_are_compared_by_the_chi_square_of_their_table()
    {
        // 60, 40 against 45, 55 of 100 each: χ² = 2·7.5²/52.5 + 2·7.5²/47.5.
        var drift = DriftTest.Of(Shares(60, 40), Shares(45, 55));
        Assert.Equal(2 * 7.5 * 7.5 / 52.5 + 2 * 7.5 * 7.5 / 47.5, drift.PlanShares.Statistic, 1e-12);
        Assert.Equal(1, drift.PlanShares.DegreesOfFreedom);
        Assert.Equal(0.0336, drift.PlanShares.PValue, 1e-4);
        Assert.False(drift.IsDrift);
        Assert.True(DriftTest.Of(Shares(600, 400), Shares(450, 550)).PlanShares.IsDrift);
        Assert.Contains("cannot be compared", DriftTest.Of(Shares(60, 40), new([], [new([new("other", 3, 0.1, 50)])], 2, 1, 0)).PlanShares.Sentence);
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void A_market_that_stands_still_alarms_about_as_often_as_the_level_says(bool labelled)
    {
        var market = new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8));
        var alarms = Enumerable.Range(0, 400).Count(n =>
        {
            var random = MarketEstimation.SeedOf(11, n);
            return DriftTest.Of(market.Observe(random, 300, Running, 2, labelled: labelled), market.Observe(random, 300, Running, 2, labelled: labelled), level: 0.1).IsDrift;
        });
        Assert.InRange(alarms / 400.0, 0.06, 0.14);
    }

    [Fact]
    public void Other_caps_are_not_mistaken_for_other_lengths_and_longer_answers_are_found()
    {
        var (still, longer) = (new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8)), new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 12)));
        var before = still.Observe(MarketEstimation.SeedOf(1, 1), 2000, Running);
        Assert.False(DriftTest.Of(before, still.Observe(MarketEstimation.SeedOf(1, 2), 2000, [new(12, 0.35), new(3, 0.15)])).IsDrift);
        var drift = DriftTest.Of(before, longer.Observe(MarketEstimation.SeedOf(1, 3), 2000, Running));
        Assert.True(drift.Lengths.IsDrift);
        Assert.Contains("later than before: the market moved", drift.Lengths.Sentence);
    }

    [Fact]
    public void A_market_that_moved_is_answered_with_a_draft_and_its_evidence_and_one_that_did_not_with_nothing()
    {
        var (was, now) = (new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8)), new SimulatedMarket(new LogNormalUrgency(-2.5, 0.8), SimulatedMarket.Fading(24, 8)));
        PlanOffer[] running = NextMenu.OffersOf(MenuSolver.Solve(was.Truth with { TypeCount = 200 }, new(3)));
        var before = was.Observe(MarketEstimation.SeedOf(1, 1), 3000, running);
        var (estimation, solving) = (new EstimationOptions(Draws: 100) { TypeCount = 150 }, new SolveOptions(3));

        var still = MenuAdaptation.Of(before, was.Observe(MarketEstimation.SeedOf(1, 2), 3000, running), running, estimation, solving);
        Assert.Equal(AdaptationDecision.KeepMenu, still.Decision);
        Assert.Null(still.Estimate);

        var moved = MenuAdaptation.Of(before, now.Observe(MarketEstimation.SeedOf(1, 3), 3000, running), running, estimation, solving);
        Assert.Equal(AdaptationDecision.DraftMenu, moved.Decision);
        Assert.True(moved.Drift.PlanShares.IsDrift);
        Assert.True(moved.Next!.ProfitDifference.Low > 0);
        Assert.True(moved.Next.HeldOutProfitDifference > 0);
        // Who was asked about that menu is asked again for a better one only, by the same bar, not for the same one on newer figures.
        Assert.False(moved.IsSurelyBetterThan(moved.Next.Offers, gainMin: 0));
        Assert.True(moved.IsSurelyBetterThan(running, gainMin: 0));
        Assert.False(moved.IsSurelyBetterThan(running, gainMin: 2 * moved.Next.ProfitDifference.Estimate));
        Assert.False(still.IsSurelyBetterThan([], gainMin: 0));
        var later = MenuAdaptation.Of(before, now.Observe(MarketEstimation.SeedOf(1, 4), 3000, running), running, estimation, solving);
        Assert.Equal(AdaptationDecision.DraftMenu, later.Decision);
        Assert.False(later.IsSurelyBetterThan(moved.Next.Offers, gainMin: 0));
        // What it promises is what it earns over the running menu in the market as it is now.
        var gain = (now.Draw.Of(moved.Next.Offers) - now.Draw.Of(running)).Profit;
        Assert.True(moved.Next.ProfitDifference.Covers(gain), $"{moved.Next.ProfitDifference} {gain}");

        var due = MenuAdaptation.Of(before, was.Observe(MarketEstimation.SeedOf(1, 2), 3000, running), running, estimation, solving, new(GainMin: 0.001) { IsDue = true });
        Assert.Equal(AdaptationDecision.KeepMenu, due.Decision);
        Assert.NotNull(due.Next);
        Assert.Equal(AdaptationDecision.CannotTell,
            MenuAdaptation.Of(before, before with { Conversations = [] }, running, estimation, solving, new() { IsDue = true }).Decision);
    }

    [Fact]
    public void Where_only_one_plan_still_sells_the_spread_of_the_period_before_and_one_share_make_the_next_menu()
    {
        var was = new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(60, 8));
        var now = new SimulatedMarket(new LogNormalUrgency(-2, 0.8), SimulatedMarket.Fading(60, 20));
        PlanOffer[] running = NextMenu.OffersOf(MenuSolver.Solve(was.Truth with { TypeCount = 200 }, new(3)));
        var (before, after) = (was.Observe(MarketEstimation.SeedOf(8, 1), 3000, running), now.Observe(MarketEstimation.SeedOf(8, 2), 3000, running));
        var options = new EstimationOptions(Draws: 100) { TypeCount = 150 };
        Assert.Equal(EstimationOutcome.TooFewShares, MarketEstimation.Of(after, options).Outcome);

        var moved = MenuAdaptation.Of(before, after, running, options, new(3));
        Assert.Equal(AdaptationDecision.DraftMenu, moved.Decision);
        Assert.Contains(moved.Estimate!.Notices, n => n.Contains("held at an earlier estimate", StringComparison.Ordinal));
        Assert.True(moved.Estimate["mu"].Covers(-2), moved.Estimate["mu"].ToString());
        Assert.True(moved.Estimate["sigma"].Covers(0.8));
        Assert.True((now.Draw.Of(moved.Next!.Offers) - now.Draw.Of(running)).Profit > 0);
        // The spread of another family, or of nothing, cannot be held.
        Assert.Equal("spreadFrom", MarketEstimation.Of(after, options with { Fit = UrgencyFit.Gamma, SpreadFrom = MarketEstimation.Of(before, options) }).Fault!.Field);
    }

    [Theory]
    [InlineData(UrgencyFit.LogNormal), InlineData(UrgencyFit.Turnbull)]
    public void Where_hardly_anybody_is_new_urgency_is_that_of_the_customers_there_are_and_only_lengths_are_learned(UrgencyFit fit)
    {
        var was = new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(60, 8));
        var now = new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(60, 20));
        PlanOffer[] running = NextMenu.OffersOf(MenuSolver.Solve(was.Truth with { TypeCount = 200 }, new(3)));
        var (before, after) = (was.Observe(MarketEstimation.SeedOf(9, 1), 3000, running), now.Observe(MarketEstimation.SeedOf(9, 2), 3000, running));
        Assert.True(DriftTest.Of(before, after).Lengths.IsDrift);
        // The same plans, chosen by 20 customers only.
        after = after with { Menus = [new([.. after.Menus[0].Plans.Select((p, k) => p with { Customers = k == 0 ? 20 : 0 })], 0)] };
        var options = new EstimationOptions(fit, Draws: 60) { TypeCount = 150 };
        Assert.Equal(EstimationOutcome.TooFewCustomers, MarketEstimation.Of(after, options).Outcome);

        var moved = MenuAdaptation.Of(before, after, running, options, new(3));
        Assert.True(moved.Decision is AdaptationDecision.DraftMenu or AdaptationDecision.KeepMenu, moved.Sentence);
        Assert.Contains("only 20 customers chose since, so urgency is held at what 3000 chose before", moved.Sentence);
        Assert.Contains(moved.Estimate!.Notices, n => n.StartsWith("urgency is held at what 3000 customers chose earlier", StringComparison.Ordinal));
        Assert.Equal(MarketEstimation.Of(before, options).Base!.Urgency.Quantile(0.5), moved.Estimate.Base!.Urgency.Quantile(0.5));
        if (fit != UrgencyFit.Turnbull) Assert.True((now.Draw.Of(moved.Next!.Offers) - now.Draw.Of(running)).Profit > 0);
        Assert.Equal("urgencyFrom", MarketEstimation.Of(after, options with { Fit = UrgencyFit.Gamma, UrgencyFrom = MarketEstimation.Of(before, options) }).Fault!.Field);
    }

    [Fact]
    public void The_threshold_is_explained_where_a_person_reads_it()
    {
        var drift = DriftTest.Of(Shares(600, 400), Shares(450, 550), level: 0.02);
        Assert.EndsWith("either test finds that the market moved where p is below 0.01, so that a market that stands still is called moved in 2.0 % of looks (half for each of two tests)", drift.Sentence.Replace("2.0%", "2.0 %", StringComparison.Ordinal));
        var still = MenuAdaptation.Of(Shares(60, 40), Shares(61, 39), Running, new(), new(3));
        Assert.Equal(AdaptationDecision.KeepMenu, still.Decision);
        Assert.Equal(still.Evidence, still.Sentence);
        Assert.Contains("where p is below 0.005", still.Sentence);
        Assert.Contains("where p is below 0.005", MenuAdaptation.Of(Shares(600, 400), Shares(450, 550), Running, new(), new(3)).Evidence);
    }

    [Theory]
    [InlineData(UrgencyFit.LogNormal), InlineData(UrgencyFit.Turnbull)]
    public void The_robust_menu_has_the_best_worst_profit_that_was_found_and_a_bound_says_how_much_better_any_could_be(UrgencyFit fit)
    {
        var market = new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8));
        var estimate = MarketEstimation.Of(market.Observe(MarketEstimation.SeedOf(2, 2), 300, Running), new(fit, Draws: 60) { TypeCount = 80 });
        var robust = RobustMenu.Of(estimate, new(3));
        Assert.True(robust.WorstProfit >= robust.WorstProfitOfNext);
        Assert.True(robust.WorstProfit <= robust.WorstProfitBound + 1e-12);
        Assert.True(robust.WorstProfitBound - robust.WorstProfit < 0.02 * robust.WorstProfitBound, robust.ToString());
        Assert.True(robust.ProfitAtEstimate <= robust.ProfitOfNextAtEstimate + 2e-4 * robust.ProfitOfNextAtEstimate);
        Assert.Equal(ExitReason.Optimal, robust.Menu.ExitReason);
    }

    private static MarketObservations Shares(long longer, long shorter) => new([], [new([new("long", 10, 0.5, longer), new("short", 4, 0.3, shorter)])], 2, 1, 0);
}
