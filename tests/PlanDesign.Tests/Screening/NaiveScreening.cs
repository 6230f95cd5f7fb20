namespace PlanDesign.Screening;

/// <summary>A screening problem with its tables written straight from the definition, and the two slow ways to solve it.</summary>
public sealed record NaiveScreening(double[] Rates, double[] Weights, double[] Probability, double TokensPerSecond, double Value, double Cost)
{
    /// <summary>Share of an answer's value that a user cut at the cap keeps.</summary>
    public double ValueAtCap { get; init; }

    public Market Market => new(
        new Urgency.DiscreteUrgency(Rates, Weights), new AnswerTimes.DiscreteAnswerTime(Probability), TokensPerSecond, Value, Cost)
    {
        ValueAtCap = ValueAtCap,
    };

    public int Caps => Probability.Length;

    public double V(int type, int cap) =>
        Value * Enumerable.Range(1, cap).Sum(k => Probability[k - 1] * Math.Exp(-Rates[type] * k / TokensPerSecond))
        + (cap == 0 ? 0 : Value * ValueAtCap * (1 - Probability.Take(cap).Sum()) * Math.Exp(-Rates[type] * cap / TokensPerSecond));

    public double C(int cap) => Cost * Enumerable.Range(0, cap).Sum(k => 1 - Probability.Take(k).Sum());

    /// <summary>C at every cap from 0 on, each survival summed once.</summary>
    private double[] Costs()
    {
        double[] survival = [.. Enumerable.Range(0, Caps).Select(k => 1 - Probability.Take(k).Sum())];
        return [.. Enumerable.Range(0, Caps + 1).Select(cap => Cost * survival.Take(cap).Sum())];
    }

    /// <summary>What the most that can be charged for this assignment earns, from prices and costs and not from virtual surplus.</summary>
    public double Profit(IReadOnlyList<int> caps)
    {
        var (profit, rent) = (0.0, 0.0);
        for (var i = Rates.Length - 1; i >= 0; i--)
        {
            if (i < Rates.Length - 1) rent += V(i, caps[i + 1]) - V(i + 1, caps[i + 1]);
            profit += Weights[i] * (V(i, caps[i]) - rent - C(caps[i]));
        }
        return profit;
    }

    /// <summary>Every assignment of caps that do not rise with urgency and use at most so many plans.</summary>
    public double BestByEnumeration(int plansMax) => Assignments().Where(a => a.Where(c => c > 0).Distinct().Count() <= plansMax).Max(Profit);

    /// <summary>
    /// Every assignment of caps in any order, at the highest prices at which nobody would rather have another's plan or none: by relaxing all pairs
    /// until nothing changes. Null for an assignment without such prices.
    /// </summary>
    public double BestInAnyOrder()
    {
        var best = 0.0;
        var caps = new int[Rates.Length];
        for (var code = 0; code < (int)Math.Pow(Caps + 1, Rates.Length); code++)
        {
            for (var (i, rest) = (0, code); i < caps.Length; i++, rest /= Caps + 1) caps[i] = rest % (Caps + 1);
            if (HighestPrices(caps) is { } prices) best = Math.Max(best, prices.Select((p, i) => Weights[i] * (p - C(caps[i]))).Sum());
        }
        return best;
    }

    private double[]? HighestPrices(int[] caps)
    {
        double[] prices = [.. caps.Select((cap, i) => V(i, cap))];
        for (var round = 0; round <= caps.Length + 1; round++)
        {
            var before = prices.ToArray();
            for (var i = 0; i < caps.Length; i++)
                for (var j = 0; j < caps.Length; j++) prices[i] = Math.Min(prices[i], prices[j] + V(i, caps[i]) - V(i, caps[j]));
            // Who has no plan pays nothing, and must not want anybody's plan.
            for (var i = 0; i < caps.Length; i++)
                if (caps[i] == 0 && prices[i] < -1e-12 * Value) return null;
            if (before.Zip(prices).All(p => p.First - p.Second < 1e-13 * Value)) return prices;
        }
        return null;
    }

    public IEnumerable<int[]> Assignments() => Assignments(0, Caps);

    private IEnumerable<int[]> Assignments(int type, int capMax) =>
        type == Rates.Length ? [[]]
            : Enumerable.Range(0, capMax + 1).SelectMany(cap => Assignments(type + 1, cap).Select(rest => (int[])[cap, .. rest]));

    /// <summary>The longest path with every predecessor tried: O(NM²).</summary>
    public double BestByPlainRecursion()
    {
        var (next, cost) = (new double[Caps + 1], Costs());
        var cumulative = Weights.Sum();
        for (var i = Rates.Length - 1; i >= 0; i--)
        {
            cumulative -= Weights[i];
            var row = new double[Caps + 1];
            for (var m = 0; m <= Caps; m++)
                row[m] = Weights[i] * (V(i, m) - cost[m]) - (i == 0 ? 0 : cumulative * (V(i - 1, m) - V(i, m))) + next.Take(m + 1).Max();
            next = row;
        }
        return next.Max();
    }

    /// <summary>The same with at most so many plans: a type keeps the plan of the one before it, or the plans that are left serve it and all who are more urgent.</summary>
    public double BestByPlainRecursion(int plans)
    {
        var (next, cost) = (Enumerable.Range(0, plans + 1).Select(_ => new double[Caps + 1]).ToArray(), Costs());
        var cumulative = Weights.Sum();
        for (var i = Rates.Length - 1; i >= 0; i--)
        {
            cumulative -= Weights[i];
            var rows = next.Select(_ => new double[Caps + 1]).ToArray();
            for (var m = 0; m <= Caps; m++)
            {
                var surplus = Weights[i] * (V(i, m) - cost[m]) - (i == 0 ? 0 : cumulative * (V(i - 1, m) - V(i, m)));
                for (var k = 0; k <= plans; k++)
                    rows[k][m] = m == 0 ? surplus + next[k][0] : k == 0 ? double.NegativeInfinity : surplus + Math.Max(next[k][m], next[k - 1].Take(m).Max());
            }
            next = rows;
        }
        return next[plans].Max();
    }
}
