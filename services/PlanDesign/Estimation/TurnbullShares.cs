namespace PlanDesign.Estimation;

/// <summary>
/// Turnbull's (1976) nonparametric maximum likelihood for interval-censored data, by self-consistency (expectation–maximisation), with
/// truncation by ghosts where customers who bought nothing were not counted. Cells lie between neighbouring cutoffs; where nothing is truncated
/// only innermost ones can hold mass (Peto 1973). Converged when no cell's likelihood gradient exceeds 0 by more than the tolerance and none with
/// mass falls short (Gentleman and Geyer 1994). Where a share vanishes just so, steps of expectation–maximisation grow ever shorter and 200,000 do not arrive, so
/// every two are followed by a longer one (squared extrapolation, scheme S3 of Varadhan and Roland 2008), and what has all but vanished is dropped and tested. Without truncation log L is then at most customers × tolerance below its maximum.
/// </summary>
/// <param name="From">Ends of the cells, 1/second, ascending; the last may be infinite.</param>
/// <param name="Gap">The largest gradient left, per customer.</param>
internal sealed record TurnbullShares(double[] From, double[] To, double[] Shares, double LogLikelihood, double Gap, int Iterations)
{
    public const double GradientTolerance = 1e-9;
    private const int IterationsMax = 200_000;
    private const double NoMass = 1e-13;

    /// <summary>A cell with less may be one that ends with nothing.</summary>
    private const double Vanishing = 1e-4;

    /// <summary>Steps before cells are first dropped.</summary>
    private const int DropFirst = 60;

    /// <summary>The likelihood may fall by that part of itself, which is what its sum rounds by.</summary>
    private const double Rounding = 1e-14;

    /// <summary>A length so little beyond both steps is not worth its likelihood.</summary>
    private const double LengthMin = 1.1;

    /// <summary>To what part of itself a share may fall beyond two steps.</summary>
    private const double FallMax = 1e-3;

    public bool Converged => Gap <= GradientTolerance;

    /// <summary>Cells with more than a trace of mass.</summary>
    public int SharesAbove(double trace) => Shares.Count(s => s > trace);

    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static TurnbullShares Of(ChoiceLikelihood choices, CancellationToken cancellation = default)
    {
        var (from, to) = Cells(choices);
        var intervals = choices.Intervals.Where(i => i.Customers > 0).Select(i => (Inside: Inside(i, from, to), i.Customers)).ToArray();
        var truncations = choices.CountedIfBelow.Where(t => t.Customers > 0).Select(t => (Inside: Inside(t, from, to), t.Customers)).ToArray();
        var seen = new Seen(intervals, truncations, intervals.Sum(i => i.Customers));
        var shares = new double[from.Length];
        Array.Fill(shares, 1.0 / from.Length);
        var (found, gap, iterations) = Climb(seen, shares, IterationsMax, mayDrop: true, cancellation);
        return new(from, to, found, seen.LogLikelihood(found), gap, iterations);
    }

    /// <param name="mayDrop">Whether to try, ever more seldom, what is found without the cells that have all but vanished.</param>
    private static (double[] Shares, double Gap, int Iterations) Climb(Seen seen, double[] shares, int iterationsMax, bool mayDrop, CancellationToken cancellation)
    {
        var (gap, iterations, drop) = (seen.Gap(shares), 0, DropFirst);
        while (gap > GradientTolerance && iterations < iterationsMax)
        {
            cancellation.ThrowIfCancellationRequested();
            if (mayDrop && iterations >= drop)
            {
                var without = Climb(seen, Array.ConvertAll(shares, s => s < Vanishing ? 0 : s), iterations, mayDrop: false, cancellation);
                iterations += without.Iterations;
                // The gap is that of every cell, also of those dropped: what passes is as good as if they had been kept.
                if (without.Gap <= GradientTolerance) return without with { Iterations = iterations };
                drop = 2 * iterations;
            }
            var once = seen.Step(shares);
            var twice = seen.Step(once);
            shares = seen.Step(Farther(seen, shares, once, twice));
            (gap, iterations) = (seen.Gap(shares), iterations + 3);
        }
        return (shares, gap, iterations);
    }

    /// <summary>
    /// Where two steps lead if the rest goes on like them. As far as the likelihood does not fall below that of the start, else nearer; no share falls to nothing
    /// at once, for from there no step leads back.
    /// </summary>
    private static double[] Farther(Seen seen, double[] shares, double[] once, double[] twice)
    {
        var (first, bend) = (0.0, 0.0);
        for (var c = 0; c < shares.Length; c++)
        {
            first += Math.Pow(once[c] - shares[c], 2);
            bend += Math.Pow(twice[c] - 2 * once[c] + shares[c], 2);
        }
        if (bend <= 0) return twice;
        var least = seen.LogLikelihood(shares) * (1 + Rounding);
        var farther = new double[shares.Length];
        // A length of 1 is where the second step ends.
        for (var length = Math.Sqrt(first / bend); length > LengthMin; length = (length + 1) / 2)
        {
            var sum = 0.0;
            for (var c = 0; c < shares.Length; c++)
            {
                var at = shares[c] + 2 * length * (once[c] - shares[c]) + length * length * (twice[c] - 2 * once[c] + shares[c]);
                sum += farther[c] = Math.Max(at, FallMax * twice[c]);
            }
            for (var c = 0; c < shares.Length; c++) farther[c] /= sum;
            if (seen.LogLikelihood(farther) >= least) return farther;
        }
        return twice;
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

    /// <summary>How many customers lie in which cells, and how many were counted because they lie in which.</summary>
    private sealed record Seen((int[] Inside, double Customers)[] Intervals, (int[] Inside, double Customers)[] Truncations, double Total)
    {
        /// <summary>What the gradient is of cells with mass where the likelihood is largest.</summary>
        private double FixedPoint => 1 - Sum(Truncations, 1 / Total);

        public double Gap(double[] shares)
        {
            var (gradient, fixedPoint, gap) = (Gradient(shares), FixedPoint, 0.0);
            for (var c = 0; c < shares.Length; c++)
            {
                var excess = gradient[c] - fixedPoint;
                gap = Math.Max(gap, shares[c] > NoMass ? Math.Abs(excess) : excess);
            }
            return gap;
        }

        /// <summary>One of self-consistency: with a ghost for every customer outside a truncation set that one inside stands for.</summary>
        public double[] Step(double[] shares)
        {
            var (next, ghosts) = (Gradient(shares), 0.0);
            foreach (var (inside, customers) in Truncations) ghosts += customers / Total / Mass(shares, inside);
            var scale = FixedPoint + ghosts;
            for (var c = 0; c < shares.Length; c++) next[c] = shares[c] * (next[c] + ghosts) / scale;
            return next;
        }

        public double LogLikelihood(double[] shares)
        {
            var sum = 0.0;
            foreach (var (inside, customers) in Intervals) sum += customers * Math.Log(Mass(shares, inside));
            foreach (var (inside, customers) in Truncations) sum -= customers * Math.Log(Mass(shares, inside));
            return sum;
        }

        private double[] Gradient(double[] shares)
        {
            var gradient = new double[shares.Length];
            foreach (var (inside, customers) in Intervals) Add(gradient, inside, customers / Total / Mass(shares, inside));
            foreach (var (inside, customers) in Truncations) Add(gradient, inside, -customers / Total / Mass(shares, inside));
            return gradient;
        }

        private static double Sum((int[] Inside, double Customers)[] sets, double times)
        {
            var sum = 0.0;
            foreach (var set in sets) sum += times * set.Customers;
            return sum;
        }

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
    }
}
