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

    /// <summary>max Σ_i w_i (t_i − Σ_m x[i,m] C[m]) over probabilities x[i,m] of cap m ≥ 1 and payments t_i ≥ 0.</summary>
    private static double BestLottery(Market market)
    {
        var tables = new MarketTables(market, market.Grid());
        var (types, caps) = (tables.Types.Count, tables.CapTokensMax);
        var value = Enumerable.Range(0, types).Select(_ => tables.NewRow()).ToArray();
        for (var i = 0; i < types; i++) tables.FillValue(i, value[i]);
        int X(int i, int m) => i * caps + m - 1;
        int T(int i) => types * caps + i;
        var gain = new double[types * (caps + 1)];
        var rows = new List<(double[] Row, double Limit)>();
        for (var i = 0; i < types; i++)
        {
            gain[T(i)] = tables.Types.Weights[i];
            for (var m = 1; m <= caps; m++) gain[X(i, m)] = -tables.Types.Weights[i] * tables.ServingCost[m];
            var (whole, participates) = (new double[gain.Length], new double[gain.Length]);
            participates[T(i)] = 1;
            for (var m = 1; m <= caps; m++) (whole[X(i, m)], participates[X(i, m)]) = (1, -value[i][m]);
            rows.Add((whole, 1));
            rows.Add((participates, 0));
            for (var j = 0; j < types; j++)
            {
                if (j == i) continue;
                var envies = new double[gain.Length];
                (envies[T(i)], envies[T(j)]) = (1, -1);
                for (var m = 1; m <= caps; m++) (envies[X(i, m)], envies[X(j, m)]) = (-value[i][m], value[i][m]);
                rows.Add((envies, 0));
            }
        }
        return Simplex(gain, rows);
    }

    /// <summary>max gain·x, rows·x ≤ limits ≥ 0, x ≥ 0, by the simplex method with Bland's rule, which ends however degenerate the programme.</summary>
    private static double Simplex(double[] gain, List<(double[] Row, double Limit)> rows)
    {
        var (count, columns) = (gain.Length, gain.Length + rows.Count);
        var tableau = rows.Select((r, n) => (double[])[.. r.Row, .. Enumerable.Range(0, rows.Count).Select(k => k == n ? 1.0 : 0), r.Limit]).ToArray();
        double[] reduced = [.. gain, .. new double[rows.Count + 1]];
        int[] basic = [.. Enumerable.Range(count, rows.Count)];
        while (true)
        {
            var entering = Array.FindIndex(reduced, 0, columns, r => r > 1e-11);
            if (entering < 0) return -reduced[columns];
            var leaving = -1;
            for (var n = 0; n < tableau.Length; n++)
            {
                if (tableau[n][entering] <= 1e-11) continue;
                var by = leaving < 0 ? -1 : tableau[n][columns] / tableau[n][entering] - tableau[leaving][columns] / tableau[leaving][entering];
                if (by < 0 || (by == 0 && basic[n] < basic[leaving])) leaving = n;
            }
            var pivot = tableau[leaving];
            var by1 = pivot[entering];
            for (var c = 0; c <= columns; c++) pivot[c] /= by1;
            foreach (var row in tableau.Append(reduced).Where(row => row != pivot && row[entering] != 0))
            {
                var times = row[entering];
                for (var c = 0; c <= columns; c++) row[c] -= times * pivot[c];
            }
            basic[leaving] = entering;
        }
    }
}
