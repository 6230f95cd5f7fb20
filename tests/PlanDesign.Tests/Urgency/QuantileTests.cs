using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Screening.Certificates;

namespace PlanDesign.Urgency;

/// <summary>Quantiles are looked for from one to the next; halving the way between two rates, thousands of times, is the slow way to the same.</summary>
public sealed class QuantileTests
{
    private static readonly Gen<UrgencyModel> Laws = Gen.Int[0, 2].SelectMany(kind => Gen.Select(Gen.Double[0.01, 1], Gen.Double[0.05, 1]).Select((a, b) => kind switch
    {
        0 => (UrgencyModel)new UniformUrgency(a, a + b),
        1 => new LogNormalUrgency(4 * a - 5, 2 * b),
        _ => new GammaUrgency(b < 0.2 ? 2000 * b : 5 * b, 0.2 * a),
    }));

    private static readonly Gen<MixtureUrgency> Mixtures = Gen.Select(Laws, Gen.Double[0.05, 1]).Array[1, 6].Select(parts =>
        new MixtureUrgency([.. parts.Select(p => p.Item1)], [.. parts.Select(p => p.Item2 / parts.Sum(q => q.Item2))]));

    [Fact]
    public void Cells_of_a_mixture_end_where_halving_says() => Gen.Select(Mixtures, Gen.Int[2, 40]).Sample((law, count) =>
    {
        var types = law.Types(count, CellEnd.Upper);
        for (var n = 0; n < types.Count && n < count - 1; n++)
        {
            var (level, rate) = ((n + 1.0) / count, types.RatesPerSecond[n]);
            AtLevel(law, level, rate);
            AtLevel(law, level, law.Quantile(level));
        }
        // The certificate's own search, on its own cdfs, agrees: where the market is dense to the last digits, and elsewhere on the share.
        var (rates, _) = CheckerUrgency.Of(new(law, new ExponentialAnswerTime(5), 1, 1, 0) { TypeCount = count }, CellEnd.Upper, default);
        Assert.Equal(types.Count, rates.Length);
        for (var n = 0; n < types.Count && n < count - 1; n++) Assert.Equal((n + 1.0) / count, law.Cdf(rates[n]), 1e-11);
    }, iter: 150);

    [Fact]
    public void A_gamma_law_and_its_cells_end_where_halving_says() => Gen.Select(Gen.Double[-1.5, 3.5], Gen.Double[-3, 1], Gen.Double[1e-4, 1 - 1e-4]).Sample((shape, scale, p) =>
    {
        var law = new GammaUrgency(Math.Pow(10, shape), Math.Pow(10, scale));
        if (law.Quantile(p) > 1e-280) AtLevel(law, p, law.Quantile(p));
    }, iter: 300);

    [Fact]
    public void A_gap_between_laws_ends_a_cell_at_its_patient_side()
    {
        var law = new MixtureUrgency([new UniformUrgency(0, 0.2), new UniformUrgency(1, 1.2)], [0.5, 0.5]);
        var types = law.Types(4, CellEnd.Upper);
        Assert.Equal([0.1, 0.2, 1.1, 1.2], types.RatesPerSecond.Select(r => Math.Round(r, 14)));
        Assert.Equal([0, 0.1, 0.2, 1.1], law.Types(4, CellEnd.Lower).RatesPerSecond.Select(r => Math.Round(r, 14)));
    }

    [Fact]
    public void A_cell_of_a_mixture_takes_a_few_looks()
    {
        // Halving takes some fifty for the mixture, and to bracket it as many again for every law.
        var (looks, parts) = (0, 20);
        UrgencyModel Law(int n) => new CountedLaw(new GammaUrgency(0.5 + 10 * n, 0.2 / (1 + n)), () => looks++);
        var law = new MixtureUrgency([.. Enumerable.Range(0, parts).Select(Law)], [.. Enumerable.Repeat(1.0 / parts, parts)]);
        const int count = 2000;
        law.Types(count, CellEnd.Upper);
        Assert.InRange((double)looks / parts / count, 1, 20);
        looks = 0;
        law.Types(count, CellEnd.Lower);
        Assert.Equal(0, looks);
    }

    [Fact]
    public void Whoever_goes_away_stops_the_search_for_types_at_the_next_one()
    {
        using var gone = new CancellationTokenSource();
        var looks = 0;
        var law = new MixtureUrgency([new CountedLaw(new GammaUrgency(50, 0.1), () =>
        {
            if (++looks == 100) gone.Cancel();
        })], [1.0]);
        var market = new Market(law, new ExponentialAnswerTime(5), 1, 1, 0) { TypeCount = 2000, CapTokensMax = 10 };
        Assert.ThrowsAny<OperationCanceledException>(() => market.Check(gone.Token));
        Assert.InRange(looks, 100, 200);
        Assert.ThrowsAny<OperationCanceledException>(() => CheckerUrgency.Of(market with { Urgency = new GammaUrgency(50, 0.1) }, CellEnd.Upper, gone.Token));
        Assert.ThrowsAny<OperationCanceledException>(() => MenuSolver.Solve(market, new(), null, gone.Token));
    }

    /// <summary>The rate of halving, or one whose share differs from it by no more than the law's own sums round by.</summary>
    private static void AtLevel(UrgencyModel law, double level, double rate)
    {
        var halved = Halved(law, level);
        Assert.True(Math.Abs(rate - halved) <= 1e-13 * halved || Math.Abs(law.Cdf(rate) - law.Cdf(halved)) <= 4e-16, $"{level}: {rate:R} against {halved:R}");
    }

    private static double Halved(UrgencyModel law, double level)
    {
        var (low, high) = (0.0, 1.0);
        while (law.Cdf(high) < level) high *= 2;
        for (var n = 0; n < 2000; n++)
        {
            var middle = low + (high - low) / 2;
            if (middle <= low || middle >= high) break;
            if (law.Cdf(middle) < level) low = middle;
            else high = middle;
        }
        return high;
    }

    private sealed class CountedLaw(UrgencyModel law, Action looked) : UrgencyModel
    {
        public override string Kind => law.Kind;
        public override bool HasDensity => true;
        public override InputFault? Check(int? typeCount) => null;
        public override double Quantile(double probability) => law.Quantile(probability);
        public override TypeGrid Types(int typeCount, CellEnd end, CancellationToken cancellation = default) => law.Types(typeCount, end, cancellation);

        public override double Cdf(double ratePerSecond)
        {
            looked();
            return law.Cdf(ratePerSecond);
        }
    }
}
