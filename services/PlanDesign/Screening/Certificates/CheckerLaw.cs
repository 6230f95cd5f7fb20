using System.Numerics.Tensors;
using PlanDesign.AnswerTimes;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// The certificate's own answer-time tables, per unit of value and cost: E[e^{-rτ}·1{τ ≤ m/s}] and expected tokens, for caps 0 … M.
/// </summary>
internal sealed record CheckerLaw(double[] ExpectedTokens, Action<double, double[]> FillAnswers)
{
    /// <summary>The same at a few ascending caps only, where there is a cheaper way; null where there is none.</summary>
    public Action<double, int[], double[]>? FillAnswersAt { get; init; }

    public static CheckerLaw Of(AnswerTime answerTime, double s, int caps, CancellationToken cancellation) => answerTime switch
    {
        DiscreteAnswerTime d => PerToken([.. d.ProbabilityPerToken], s, caps),
        EmpiricalAnswerTime e => PerToken(RedistributedToTheRight(e), s, caps),
        ExponentialAnswerTime e => Pieces([], [1 / e.MeanSeconds], s, caps),
        EqualAnswersAnswerTime e => Pieces([], [e.InformationPerSecond / EntropyGained(e)], s, caps),
        PiecewiseHazardAnswerTime p => Pieces([.. p.UntilSeconds], [.. p.HazardPerSecond], s, caps),
        DeterministicAnswerTime d => AtOnce(d is AccumulationAnswerTime a ? CheckerBeliefs.MeanSeconds(a.Thresholds) : d.Seconds, s, caps),
        GreedyAnswerTime g => CheckerBeliefs.Greedy(g.Thresholds, s, caps, cancellation),
        DiffusionAnswerTime d => CheckerBeliefs.Diffusion(d.Thresholds, s, caps, cancellation),
        _ => throw new NotSupportedException($"the certificate does not know answer times of kind {answerTime.Kind}"),
    };

    private static CheckerLaw PerToken(double[] probability, double s, int caps)
    {
        var (tokens, left) = (new double[caps + 1], 1.0);
        for (var m = 1; m <= caps; m++)
        {
            tokens[m] = tokens[m - 1] + left;
            left = Math.Max(0, left - (m <= probability.Length ? probability[m - 1] : 0));
        }
        double[] seconds = [.. Enumerable.Range(1, Math.Min(caps, probability.Length)).Select(m => m / s)];
        var discounted = new double[seconds.Length];
        return new(tokens, (r, row) =>
        {
            TensorPrimitives.Multiply(seconds, -r, discounted);
            TensorPrimitives.Exp(discounted, discounted);
            TensorPrimitives.Multiply(discounted, probability.AsSpan(0, discounted.Length), discounted);
            var sum = 0.0;
            for (var m = 0; m < discounted.Length; m++) row[m + 1] = sum += discounted[m];
            row.AsSpan(discounted.Length + 1).Fill(sum);
        })
        {
            FillAnswersAt = (r, few, values) =>
            {
                var (sum, from) = (0.0, 0);
                var upTo = Math.Min(few[^1], discounted.Length);
                TensorPrimitives.Multiply(seconds.AsSpan(0, upTo), -r, discounted);
                TensorPrimitives.Exp(discounted.AsSpan(0, upTo), discounted);
                for (var k = 0; k < few.Length; from = Math.Min(few[k++], upTo))
                {
                    var to = Math.Min(few[k], upTo);
                    values[k] = sum += TensorPrimitives.Dot<double>(discounted.AsSpan(from, to - from), probability.AsSpan(from, to - from));
                }
            },
        };
    }

    /// <summary>Constant hazards: each piece in closed form from its own start, where the solver goes token by token.</summary>
    private static CheckerLaw Pieces(double[] until, double[] hazard, double s, int caps)
    {
        var (tokens, start, survival, weight) = (new double[caps + 1], new double[hazard.Length], new double[hazard.Length], new double[hazard.Length]);
        for (var n = 0; n < hazard.Length; n++)
        {
            start[n] = n == 0 ? 0 : until[n - 1];
            survival[n] = n == 0 ? 1 : survival[n - 1] * Math.Exp(-hazard[n - 1] * (start[n] - start[n - 1]));
        }
        Fill(tokens, (n, x) => s * survival[n] * (hazard[n] == 0 ? x : (1 - Math.Exp(-hazard[n] * x)) / hazard[n]));
        return new(tokens, (r, row) =>
        {
            for (var n = 0; n < hazard.Length; n++) weight[n] = survival[n] * Math.Exp(-r * start[n]) * (hazard[n] / (hazard[n] + r));
            Fill(row, (n, x) => hazard[n] == 0 ? 0 : weight[n] * (1 - Math.Exp(-(hazard[n] + r) * x)));
        });

        void Fill(double[] row, Func<int, double, double> part)
        {
            var (before, n) = (0.0, 0);
            for (var m = 1; m < row.Length; m++)
            {
                for (; n < until.Length && until[n] <= m / s; n++) before += part(n, until[n] - start[n]);
                row[m] = before + part(n, m / s - start[n]);
            }
        }
    }

    private static CheckerLaw AtOnce(double seconds, double s, int caps)
    {
        const double reaches = 1 - 1e-12;
        double[] tokens = [.. Enumerable.Range(0, caps + 1).Select(m => m / s < seconds ? m : s * seconds)];
        return new(tokens, (r, row) =>
        {
            for (var m = 1; m < row.Length; m++) row[m] = m / s >= seconds * reaches ? Math.Exp(-r * seconds) : 0;
        });
    }

    private static double EntropyGained(EqualAnswersAnswerTime law)
    {
        static double MinusEntropy(double p) => p * Math.Log(p);
        var each = (1 - law.Confidence) / (law.Answers - 1);
        return MinusEntropy(law.Confidence) + (law.Answers - 1) * MinusEntropy(each) - law.Answers * MinusEntropy(1.0 / law.Answers);
    }

    private static double[] RedistributedToTheRight(EmpiricalAnswerTime observed)
    {
        // By tokens, and of the same tokens those that were answered first: a number that is even for an answer.
        var order = new int[observed.Tokens.Count];
        for (var n = 0; n < order.Length; n++) order[n] = 2 * observed.Tokens[n] + (observed.Cut[n] ? 1 : 0);
        Array.Sort(order);
        var probability = new double[order[^1] / 2];
        var mass = 1.0 / order.Length;
        for (var n = 0; n < order.Length; n++)
        {
            // A cut conversation hands its mass in equal parts to those that went on longer.
            if (order[n] % 2 == 0) probability[order[n] / 2 - 1] += mass;
            else if (n + 1 < order.Length) mass += mass / (order.Length - n - 1);
        }
        return probability;
    }
}
