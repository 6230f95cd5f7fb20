using PlanDesign;
using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace Bench;

/// <summary>Irregular markets of any size, the same for the same size: rates, weights and answer times from a fixed seed.</summary>
public static class BenchMarkets
{
    public static Market Of(int types, int caps)
    {
        var random = new Random(20251009);
        var rates = Enumerable.Range(0, types).Select(_ => 0.02 + 2 * random.NextDouble()).Order().ToArray();
        double[] masses = [.. Enumerable.Range(0, types).Select(_ => 0.05 + random.NextDouble())];
        double[] answers = [.. Enumerable.Range(1, caps).Select(k => random.NextDouble() * Math.Exp(-4.0 * k / caps))];
        var (mass, answered) = (masses.Sum(), answers.Sum() / 0.98);
        // The longest cap is reached after 20 seconds, so that urgency matters whatever the number of caps.
        return new(new DiscreteUrgency(rates, [.. masses.Select(m => m / mass)]), new DiscreteAnswerTime([.. answers.Select(p => p / answered)]),
            caps / 20.0, 1, 0.05 / caps);
    }
}
