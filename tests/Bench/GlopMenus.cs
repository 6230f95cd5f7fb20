using Google.OrTools.LinearSolver;
using PlanDesign;
using PlanDesign.Screening;

namespace Bench;

/// <summary>
/// The same screening problem as a linear programme for Google's GLOP, in the two forms that somebody without the longest path would write.
/// Values are those of the solver's tables. A programme is built once, and solving it is what is timed; our own solver is timed with its tables and its certificate.
/// </summary>
public sealed class GlopMenus
{
    private readonly double[][] _value;
    private readonly double[] _cost;
    private readonly double[] _weights;

    public GlopMenus(Market market)
    {
        var tables = new MarketTables(market, market.Grid());
        (_cost, _weights) = (tables.ServingCost, tables.Types.Weights);
        _value = new double[_weights.Length][];
        for (var i = 0; i < _value.Length; i++) tables.FillValue(i, _value[i] = tables.NewRow());
    }

    /// <summary>
    /// Lotteries x[i,m] over caps and payments t_i, every type's incentive to take every other type's place, and participation: N² constraints
    /// over NM variables.
    /// </summary>
    public GlopProgramme FullLottery()
    {
        var solver = Solver.CreateSolver("GLOP");
        var (types, caps) = (_weights.Length, _cost.Length);
        var lottery = Lotteries(solver);
        var payment = Enumerable.Range(0, types).Select(i => solver.MakeNumVar(double.NegativeInfinity, double.PositiveInfinity, $"t{i}")).ToArray();
        var objective = solver.Objective();
        objective.SetMaximization();
        for (var i = 0; i < types; i++)
        {
            objective.SetCoefficient(payment[i], _weights[i]);
            for (var m = 1; m < caps; m++) objective.SetCoefficient(lottery[i][m], -_weights[i] * _cost[m]);
            var participation = solver.MakeConstraint(0, double.PositiveInfinity, $"p{i}");
            participation.SetCoefficient(payment[i], -1);
            for (var m = 1; m < caps; m++) participation.SetCoefficient(lottery[i][m], _value[i][m]);
            for (var j = 0; j < types; j++)
            {
                if (j == i) continue;
                var incentive = solver.MakeConstraint(0, double.PositiveInfinity, $"i{i},{j}");
                incentive.SetCoefficient(payment[i], -1);
                incentive.SetCoefficient(payment[j], 1);
                for (var m = 1; m < caps; m++)
                {
                    incentive.SetCoefficient(lottery[i][m], _value[i][m]);
                    incentive.SetCoefficient(lottery[j][m], -_value[i][m]);
                }
            }
        }
        return new(solver);
    }

    /// <summary>
    /// The reduced form: virtual surplus over lotteries whose tails do not rise with urgency, NM constraints. It is what the theory leaves of
    /// the full one when only neighbours can envy, and its vertices are menus.
    /// </summary>
    public GlopProgramme Reduced()
    {
        var solver = Solver.CreateSolver("GLOP");
        var (types, caps, cumulative) = (_weights.Length, _cost.Length, 0.0);
        var tail = new Variable[types][];
        var objective = solver.Objective();
        objective.SetMaximization();
        for (var i = 0; i < types; i++)
        {
            // tail[i][m] = P(cap ≥ m), whose coefficient is J[i,m] − J[i,m−1].
            tail[i] = [.. Enumerable.Range(0, caps).Select(m => solver.MakeNumVar(m == 0 ? 1 : 0, 1, $"y{i},{m}"))];
            for (var m = 1; m < caps; m++)
            {
                var surplus = _weights[i] * (_value[i][m] - _cost[m] - _value[i][m - 1] + _cost[m - 1]);
                if (i > 0) surplus -= cumulative * (_value[i - 1][m] - _value[i][m] - _value[i - 1][m - 1] + _value[i][m - 1]);
                objective.SetCoefficient(tail[i][m], surplus);
                AtMost(tail[i][m], tail[i][m - 1]);
                if (i > 0) AtMost(tail[i][m], tail[i - 1][m]);
            }
            cumulative += _weights[i];
        }
        return new(solver);

        void AtMost(Variable less, Variable more)
        {
            var constraint = solver.MakeConstraint(0, double.PositiveInfinity, "");
            constraint.SetCoefficient(more, 1);
            constraint.SetCoefficient(less, -1);
        }
    }

    private Variable[][] Lotteries(Solver solver)
    {
        var lottery = new Variable[_weights.Length][];
        for (var i = 0; i < lottery.Length; i++)
        {
            lottery[i] = [.. _cost.Select((_, m) => solver.MakeNumVar(0, 1, $"x{i},{m}"))];
            var one = solver.MakeConstraint(1, 1, $"s{i}");
            foreach (var x in lottery[i]) one.SetCoefficient(x, 1);
        }
        return lottery;
    }
}

/// <summary>A programme that is built, and not solved yet.</summary>
public sealed class GlopProgramme(Solver solver) : IDisposable
{
    /// <summary>The optimum; null if GLOP did not finish in the time given.</summary>
    public double? Solve(TimeSpan limit)
    {
        solver.SetTimeLimit((long)limit.TotalMilliseconds);
        return solver.Solve() == Solver.ResultStatus.OPTIMAL ? solver.Objective().Value() : null;
    }

    public void Dispose() => solver.Dispose();
}
