namespace PlanDesign.Screening.Certificates;

/// <summary>
/// An upper bound on every menu where single crossing fails, with caps in any order and any number of plans: only what neighbours in urgency may envy
/// each other is asked. If type i does not envy i+1, U_i ≥ U_{i+1} + V[i,m_{i+1}] − V[i+1,m_{i+1}], so the profit is at most Σ J[i,m_i]; that
/// neither envies the other means that their gap Δ_i(m) = V[i,m] − V[i+1,m] is no smaller at m_i than at m_{i+1}. The best such path,
/// D_i(m) = J[i,m] + max over Δ_i(m') ≤ Δ_i(m) of D_{i+1}(m'), is found by sorting the caps by Δ_i, O(NM log M). With single crossing Δ_i
/// rises in m and this is the longest path of the menu itself. Tables are the certificate's own.
/// </summary>
internal static class NeighbourBound
{
    /// <summary>Gaps that differ by less, in parts of the value of an answer, are taken for equal: more paths, hence still a bound.</summary>
    private const double GapTolerance = 1e-12;

    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static double Of(CheckerTables tables, CheckerRules rules, double valuePerAnswer, CancellationToken cancellation)
    {
        var caps = tables.Cost.Length;
        int[] states = [.. Enumerable.Range(0, caps).Where(m => m == rules.FreeTier ? !rules.MustServe : m > 0 && rules.Allows(m))];
        var (best, weightUpTo) = (new double[states.Length], tables.Weights.Sum());
        double[] value = tables.Rates.Length > 0 ? tables.Value(tables.Rates.Length - 1) : new double[caps], urgent = [];
        // The most urgent type keeps at least what the free tier is worth to it.
        var rent = weightUpTo * value[rules.FreeTier];
        for (var i = tables.Rates.Length - 1; i >= 0; i--)
        {
            cancellation.ThrowIfCancellationRequested();
            var reach = urgent.Length == 0 ? best : Reach(states, value, urgent, best, GapTolerance * valuePerAnswer);
            double[] morePatient = i > 0 ? tables.Value(i - 1) : value;
            weightUpTo -= tables.Weights[i];
            for (var n = 0; n < states.Length; n++)
            {
                var m = states[n];
                reach[n] += tables.Weights[i] * (value[m] - tables.Cost[m]) - (i > 0 ? weightUpTo * (morePatient[m] - value[m]) : 0);
            }
            (best, urgent, value) = (reach, value, morePatient);
        }
        return (best.Length == 0 ? 0 : best.Max()) - rent;
    }

    private static double[] Reach(int[] states, double[] own, double[] urgent, double[] next, double tolerance)
    {
        double[] gap = [.. states.Select(m => own[m] - urgent[m])];
        int[] order = [.. Enumerable.Range(0, states.Length)];
        Array.Sort((double[])gap.Clone(), order);
        var (reach, running, upTo) = (new double[states.Length], double.NegativeInfinity, 0);
        foreach (var n in order)
        {
            for (; upTo < order.Length && gap[order[upTo]] <= gap[n] + tolerance; upTo++) running = Math.Max(running, next[order[upTo]]);
            reach[n] = running;
        }
        return reach;
    }
}
