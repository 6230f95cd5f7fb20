namespace PlanDesign.Estimation;

/// <summary>
/// Kaplan–Meier over the distinct lengths only, as fast as hundreds of bootstrap draws ask for: probability P[n] of the answer at
/// <c>Tokens[n]</c>, ascending. What is left of 1 is never answered within <see cref="SupportTokens"/>, the longest length observed.
/// </summary>
internal sealed class LengthLaw
{
    private const int NewtonStepsMax = 200;

    private readonly int[] _tokens;
    private readonly double[] _probability;
    private readonly double[] _survival;
    private readonly double _tokensPerSecond;

    /// <param name="lengths">Distinct lengths, ascending.</param>
    /// <param name="answered">Conversations answered at each.</param>
    /// <param name="cut">Conversations cut at each: at equal counts answers precede cuts.</param>
    public LengthLaw(int[] lengths, double[] answered, double[] cut, double tokensPerSecond)
    {
        _tokensPerSecond = tokensPerSecond;
        var (tokens, probability, survivals) = (new List<int>(lengths.Length), new List<double>(lengths.Length), new List<double>(lengths.Length));
        var (atRisk, survival) = (answered.Sum() + cut.Sum(), 1.0);
        for (var n = 0; n < lengths.Length; n++)
        {
            if (answered[n] > 0)
            {
                tokens.Add(lengths[n]);
                probability.Add(survival * answered[n] / atRisk);
                survivals.Add(survival *= (atRisk - answered[n]) / atRisk);
            }
            if (answered[n] + cut[n] > 0) SupportTokens = lengths[n];
            atRisk -= answered[n] + cut[n];
        }
        (_tokens, _probability, _survival) = ([.. tokens], [.. probability], [.. survivals]);
    }

    public int SupportTokens { get; }

    /// <summary>Whether S is known at this cap: not beyond the longest length observed, unless everybody was answered by then.</summary>
    public bool Knows(int cap) => cap <= SupportTokens || (_survival.Length > 0 && _survival[^1] <= 0);

    public double Survival(int cap)
    {
        var survival = 1.0;
        for (var n = 0; n < _tokens.Length && _tokens[n] <= cap; n++) survival = _survival[n];
        return survival;
    }

    /// <summary>E[e^{-rτ}; answered within the cap].</summary>
    public double DiscountedAnswer(double ratePerSecond, int cap)
    {
        var (sum, perToken) = (0.0, ratePerSecond / _tokensPerSecond);
        for (var n = 0; n < _tokens.Length && _tokens[n] <= cap; n++) sum += _probability[n] * Math.Exp(-perToken * _tokens[n]);
        return sum;
    }

    /// <summary>Tokens generated on average under a cap; nothing is known, and nothing counted, beyond the longest length observed.</summary>
    public double ExpectedTokens(int cap)
    {
        cap = Math.Min(cap, SupportTokens);
        var sum = 0.0;
        for (var n = 0; n < _tokens.Length && _tokens[n] <= cap; n++) sum += _probability[n] * _tokens[n];
        return sum + cap * Survival(cap);
    }

    /// <summary>
    /// The urgency (1/second) at which going from the shorter cap to the longer one is worth exactly <paramref name="step"/>, in parts of the value
    /// of an answer: 0 where nobody would pay it, infinite where everybody takes it. The logarithm of a sum of falling exponentials is convex and
    /// falls, so that Newton's method from 0 rises to the root and never passes it.
    /// </summary>
    public double Cutoff(int shorterCap, int longerCap, double step)
    {
        if (step <= 0) return double.PositiveInfinity;
        var from = 0;
        while (from < _tokens.Length && _tokens[from] <= shorterCap) from++;
        var to = from;
        while (to < _tokens.Length && _tokens[to] <= longerCap) to++;
        if (to == from) return 0;
        var (target, first, rate) = (Math.Log(step), _tokens[from] / _tokensPerSecond, 0.0);
        for (var iteration = 0; iteration < NewtonStepsMax; iteration++)
        {
            var (sum, moment, perToken) = (0.0, 0.0, rate / _tokensPerSecond);
            for (var n = from; n < to; n++)
            {
                var later = _tokens[n] - _tokens[from];
                var term = _probability[n] * Math.Exp(-perToken * later);
                sum += term;
                moment += term * later;
            }
            var above = Math.Log(sum) - rate * first - target;
            if (iteration == 0 && above <= 0) return 0;
            var move = above / (first + moment / sum / _tokensPerSecond);
            rate += move;
            if (rate >= MarketLimits.RatePerSecondMax) return MarketLimits.RatePerSecondMax;
            if (Math.Abs(move) <= 1e-14 * rate) break;
        }
        return rate;
    }
}
