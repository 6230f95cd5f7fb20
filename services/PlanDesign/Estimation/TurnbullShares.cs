namespace PlanDesign.Estimation;

/// <summary>
/// Turnbull's (1976) nonparametric maximum likelihood for interval-censored data, by self-consistency (expectation–maximisation), with
/// truncation by ghosts where customers who bought nothing were not counted. Cells lie between neighbouring cutoffs; where nothing is truncated
/// only innermost ones can hold mass (Peto 1973). Converged when no cell's likelihood gradient exceeds 0 by more than the tolerance and none with
/// mass falls short (Gentleman and Geyer 1994): without truncation log L is then at most customers × tolerance below its maximum.
/// </summary>
/// <param name="From">Ends of the cells, 1/second, ascending; the last may be infinite.</param>
/// <param name="Gap">The largest gradient left, per customer.</param>
internal sealed record TurnbullShares(double[] From, double[] To, double[] Shares, double LogLikelihood, double Gap, int Iterations)
{
    public const double GradientTolerance = 1e-9;
    private const int IterationsMax = 200_000;
    private const double NoMass = 1e-13;

    public bool Converged => Gap <= GradientTolerance;

    /// <summary>Cells with more than a trace of mass.</summary>
    public int SharesAbove(double trace) => Shares.Count(s => s > trace);

    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static TurnbullShares Of(ChoiceLikelihood choices, CancellationToken cancellation = default)
    {
        var (from, to) = Cells(choices);
        var intervals = choices.Intervals.Where(i => i.Customers > 0).Select(i => (Inside: Inside(i, from, to), i.Customers)).ToArray();
        var truncations = choices.CountedIfBelow.Where(t => t.Customers > 0).Select(t => (Inside: Inside(t, from, to), t.Customers)).ToArray();
        var (shares, gradient, total) = (new double[from.Length], new double[from.Length], intervals.Sum(i => i.Customers));
        Array.Fill(shares, 1.0 / from.Length);
        var (gap, iterations) = (double.PositiveInfinity, 0);
        for (; iterations < IterationsMax; iterations++)
        {
            cancellation.ThrowIfCancellationRequested();
            Array.Clear(gradient);
            foreach (var (inside, customers) in intervals) Add(gradient, inside, customers / total / Mass(shares, inside));
            foreach (var (inside, customers) in truncations) Add(gradient, inside, -customers / total / Mass(shares, inside));
            var fixedPoint = truncations.Length == 0 ? 1 : 1 - truncations.Sum(t => t.Customers) / total;
            gap = 0;
            for (var c = 0; c < shares.Length; c++)
            {
                var excess = gradient[c] - fixedPoint;
                gap = Math.Max(gap, shares[c] > NoMass ? Math.Abs(excess) : excess);
            }
            if (gap <= GradientTolerance) break;
            // A ghost for every customer outside a truncation set that one inside stands for.
            var ghosts = truncations.Sum(t => t.Customers / total * (1 / Mass(shares, t.Inside)));
            var scale = fixedPoint + ghosts;
            for (var c = 0; c < shares.Length; c++) shares[c] *= (gradient[c] + ghosts) / scale;
        }
        return new(from, to, shares, LogLikelihoodOf(intervals, truncations, shares), gap, iterations);
    }

    private static (double[] From, double[] To) Cells(ChoiceLikelihood choices)
    {
        double[] edges = [0, .. choices.Cutoffs, double.PositiveInfinity];
        var endless = choices.Intervals.Any(i => double.IsPositiveInfinity(i.To));
        var cells = new List<(double From, double To)>();
        for (var n = 0; n + 1 < edges.Length; n++)
        {
            if (double.IsPositiveInfinity(edges[n + 1]) && !endless) continue;
            var begins = choices.Intervals.Any(i => i.Customers > 0 && Same(i.From, edges[n]));
            var ends = choices.Intervals.Any(i => i.Customers > 0 && Same(i.To, edges[n + 1]));
            if (choices.CountedIfBelow.Count > 0 || (begins && ends)) cells.Add((edges[n], edges[n + 1]));
        }
        return ([.. cells.Select(c => c.From)], [.. cells.Select(c => c.To)]);
    }

    private static bool Same(double a, double b) => a.Equals(b) || Math.Abs(a - b) <= 2e-9 * Math.Max(a, b);

    private static int[] Inside(UrgencyInterval interval, double[] from, double[] to) =>
        [.. Enumerable.Range(0, from.Length).Where(c => from[c] >= interval.From * (1 - 2e-9) && (to[c] <= interval.To * (1 + 2e-9)))];

    private static double Mass(double[] shares, int[] inside)
    {
        var sum = 0.0;
        foreach (var c in inside) sum += shares[c];
        return sum;
    }

    private static void Add(double[] gradient, int[] inside, double amount)
    {
        foreach (var c in inside) gradient[c] += amount;
    }

    private static double LogLikelihoodOf((int[] Inside, double Customers)[] intervals, (int[] Inside, double Customers)[] truncations, double[] shares) =>
        intervals.Sum(i => i.Customers * Math.Log(Mass(shares, i.Inside))) - truncations.Sum(t => t.Customers * Math.Log(Mass(shares, t.Inside)));
}
