using Google.OrTools.LinearSolver;
using PlanDesign.ReferenceCases;

namespace PlanDesign.Screening;

/// <summary>
/// The linear programme over lotteries on caps, with every incentive and participation constraint, is the referee: never below a menu, and equal to it
/// where no lottery can earn more.
/// </summary>
public sealed class LotteryTests
{
    [Fact]
    public void A_lottery_can_earn_strictly_more_than_every_menu()
    {
        var market = new NaiveScreening([0.2, 1.5, 1.55], [0.04, 0.66, 0.30], [0.125, 0.875], 1, 1, 0.023).Market;
        Assert.Equal(0.0264410060, BestLottery(market), 1e-8 * 0.0264);
        Assert.Equal(0.0261871983, MenuSolver.Solve(market, new()).Profit, 10);
    }

    [Theory]
    [InlineData("random-irregular-0", 14.267569750869974), InlineData("random-irregular-1", 15.864087987293024), InlineData("random-irregular-2", 7.339184392303767)]
    [InlineData("single-type", 0.6641637950150505), InlineData("cost-above-value", 0)]
    public void No_lottery_earns_more_than_the_menu_of_a_reference_case(string name, double lotteryUpperBound)
    {
        var market = ReferenceCase.MarketOf(name);
        var solution = MenuSolver.Solve(market, new());
        // Equality is no theorem: where the hazard rises against the cost a lottery may earn a little more.
        Assert.InRange(solution.Profit, lotteryUpperBound * (1 - 1e-5), lotteryUpperBound + 1e-8 * Math.Max(1, lotteryUpperBound));
        if (market.Grid() is { Types.Count: <= 8, CapTokensMax: <= 40 }) Assert.Equal(lotteryUpperBound, BestLottery(market), 1e-8 * Math.Max(1, lotteryUpperBound));
    }

    /// <summary>max Σ_i w_i (t_i − Σ_m x[i,m] C[m]) over probabilities x[i,m] of cap m ≥ 0 and payments t_i, by GLOP.</summary>
    private static double BestLottery(Market market)
    {
        var tables = new MarketTables(market, market.Grid());
        var (types, caps) = (tables.Types.Count, tables.CapTokensMax);
        var value = Enumerable.Range(0, types).Select(_ => tables.NewRow()).ToArray();
        for (var i = 0; i < types; i++) tables.FillValue(i, value[i]);

        using var solver = Solver.CreateSolver("GLOP");
        solver.SetSolverSpecificParametersAsString("solution_feasibility_tolerance: 1e-10 primal_feasibility_tolerance: 1e-11 dual_feasibility_tolerance: 1e-11");
        var payment = Enumerable.Range(0, types).Select(i => solver.MakeNumVar(double.NegativeInfinity, double.PositiveInfinity, $"t{i}")).ToArray();
        var lottery = Enumerable.Range(0, types).Select(i => Enumerable.Range(0, caps + 1).Select(m => solver.MakeNumVar(0, 1, $"x{i},{m}")).ToArray()).ToArray();
        var gain = solver.Objective();
        gain.SetMaximization();
        for (var i = 0; i < types; i++)
        {
            gain.SetCoefficient(payment[i], tables.Types.Weights[i]);
            var certain = solver.MakeConstraint(1, 1, "");
            for (var m = 0; m <= caps; m++)
            {
                gain.SetCoefficient(lottery[i][m], -tables.Types.Weights[i] * tables.ServingCost[m]);
                certain.SetCoefficient(lottery[i][m], 1);
            }
            var participates = solver.MakeConstraint(0, double.PositiveInfinity, "");
            Worth(participates, i, i, 1);
            for (var j = 0; j < types; j++)
            {
                if (j == i) continue;
                var prefersOwn = solver.MakeConstraint(0, double.PositiveInfinity, "");
                Worth(prefersOwn, i, i, 1);
                Worth(prefersOwn, i, j, -1);
            }
        }
        Assert.Equal(Solver.ResultStatus.OPTIMAL, solver.Solve());
        return gain.Value();

        void Worth(Constraint constraint, int type, int chosen, double sign)
        {
            constraint.SetCoefficient(payment[chosen], -sign);
            for (var m = 0; m <= caps; m++) constraint.SetCoefficient(lottery[chosen][m], sign * value[type][m]);
        }
    }
}
