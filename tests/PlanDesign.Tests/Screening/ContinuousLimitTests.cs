using MathNet.Numerics.Integration;
using PlanDesign.AnswerTimes;

namespace PlanDesign.Screening;

/// <summary>
/// The theory's figures for r ~ U[0,1] and v = 1 to the digits given, by its continuous formulae over the product's own laws; the last digit
/// may be one off, for some are cut and not rounded. The solver works on a grid and only tends to them: how fast, <see cref="ClosedFormTests"/> and <see cref="ReferenceNumberTests"/> say.
/// </summary>
public sealed class ContinuousLimitTests
{
    private const double Forever = 1e5;

    /// <summary>T(r) = X/r, where e^{−X}(1 − X) = κ: the instant at which the next one costs what it earns.</summary>
    [Theory]
    [InlineData(5, 0, 1, 0.206425231, 0.206425231, 2.128996779)]
    [InlineData(5, 0.1, 0.781520769, 0.166855385, 0.203663509, 1.840406215)]
    [InlineData(5, 0.2, 0.625983241, 0.132472404, 0.196622486, 1.603752049)]
    [InlineData(5, 0.5, 0.314923058, 0.054497590, 0.155865476, 1.013678853)]
    [InlineData(14.7, 0.1, 0.781520769, 0.076697445, null, null)]
    [InlineData(14.7, 0.5, 0.314923058, 0.023782049, null, null)]
    public void Serving_cost_leaves_the_profit_the_revenue_and_the_seconds_of_the_closed_form(double meanSeconds, double kappa, double x, double profit, double? revenue, double? seconds)
    {
        var law = new ExponentialAnswerTime(meanSeconds);
        Assert.Equal(x, Root(t => Math.Exp(-t) * (1 - t) - kappa, 0, 1), 5e-10);
        double Served(double stop) => OverUrgency(r => WaitedSeconds(law, stop / r));
        double Profit(double stop) => OverUrgency(r => VirtualValue(law, r, stop / r)) - kappa / meanSeconds * Served(stop);
        Assert.Equal(profit, Profit(x), 1e-9);
        Assert.True(Profit(x) > Profit(1.01 * x) && Profit(x) > Profit(0.99 * x));
        if (seconds is not null) Assert.Equal(seconds.Value, Served(x), 1e-9);
        if (revenue is not null) Assert.Equal(revenue.Value, Profit(x) + kappa / meanSeconds * Served(x), 1e-9);
    }

    [Theory]
    [InlineData(1, 1, 0.5), InlineData(1, 2, 0.5104405), InlineData(1, 3, 0.5119604), InlineData(1, 5, 0.5126697)]
    [InlineData(5, 1, 0.1666667), InlineData(5, 2, 0.1969083), InlineData(5, 3, 0.2023990), InlineData(5, 5, 0.2050406)]
    [InlineData(14.7, 1, 0.0636943), InlineData(14.7, 2, 0.0866078), InlineData(14.7, 3, 0.0920310), InlineData(14.7, 5, 0.0948048)]
    public void Few_plans_earn_the_figure_to_its_last_digit(double meanSeconds, int plans, double profit) =>
        Assert.Equal(profit, BestPlans(meanSeconds, plans).Profit, 1e-7);

    [Fact]
    public void Three_plans_have_the_cutoffs_caps_and_prices_of_the_theory_to_their_last_digit()
    {
        var (cutoffs, caps, prices, _) = BestPlans(5, 3);
        AllEqual([0.41735, 0.149303], cutoffs.Skip(1), [5e-6, 5e-7]);
        AllEqual([1.499751, 3.834955], caps.Take(2), [5e-7, 5e-7]);
        AllEqual([0.139109, 0.237099, 0.387090], prices, [5e-7, 5e-7, 5e-7]);
    }

    /// <summary>A user who pays π a second stops at the T where e^{−rT}/D = π.</summary>
    [Theory]
    [InlineData(1, 0.4105392480, 0.643335, 1e-6), InlineData(5, 0.1715224994, 0.106301, 5e-7), InlineData(14.7, 0.0825714832, 0.0331658, 5e-8)]
    public void Pay_per_token_earns_the_figure_at_the_price_of_the_theory(double meanSeconds, double revenue, double pricePerSecond, double digits)
    {
        var law = new ExponentialAnswerTime(meanSeconds);
        double Revenue(double price) => price * OverUrgency(r => WaitedSeconds(law, -Math.Log(price * meanSeconds) / r));
        var best = Highest(Revenue, 1e-6 / meanSeconds, 1 / meanSeconds);
        Assert.Equal(revenue, Revenue(best), 1e-10);
        Assert.Equal(pricePerSecond, best, digits);
    }

    /// <summary>At e⁻¹/D a second the user of urgency r stops at 1/r, as the optimal menu has it; the fee is what is left to the most urgent one.</summary>
    [Theory]
    [InlineData(1, 0.1997882, 0.513039, 5e-7), InlineData(5, 0.0497824, 0.206425231, 5e-10), InlineData(14.7, 0.0176099, 0.096298, 5e-7)]
    public void A_two_part_tariff_ties_with_the_optimum_at_the_fee_of_the_theory(double meanSeconds, double fee, double optimum, double digits)
    {
        var law = new ExponentialAnswerTime(meanSeconds);
        var price = Math.Exp(-1) / meanSeconds;
        var left = Discounted(law, 1, 1) - price * WaitedSeconds(law, 1);
        Assert.Equal(fee, left, 5e-8);
        Assert.Equal(optimum, left + price * OverUrgency(r => WaitedSeconds(law, 1 / r)), digits);
    }

    /// <summary>dp/dT = e^{−rT} f(T) where r = 1/T, from the first cap of a second on.</summary>
    [Theory]
    [InlineData(5, 0.116467631, 0.417661843), InlineData(14.7, 0.041803448, 0.385489317)]
    public void Prices_along_the_menu_begin_and_end_at_the_figures(double meanSeconds, double first, double last)
    {
        var law = new ExponentialAnswerTime(meanSeconds);
        Assert.Equal(first, Discounted(law, 1, 1), 1e-9);
        Assert.Equal(last, Discounted(law, 1, 1) + Math.Exp(-1) * (Discounted(law, 0, Forever) - Discounted(law, 0, 1)), 1e-9);
    }

    [Theory]
    [InlineData(5, 1, 0.089957600), InlineData(5, 2, 0.051678241), InlineData(5, 5, 0.016141368)]
    [InlineData(14.7, 1, 0.054494191), InlineData(14.7, 2, 0.038766179), InlineData(14.7, 5, 0.020382544)]
    public void A_free_tier_leaves_what_is_earned_beyond_it(double meanSeconds, double freeSeconds, double revenue)
    {
        var law = new ExponentialAnswerTime(meanSeconds);
        // Whoever is less urgent than 1/T₀ buys up to 1/r; the free seconds are subtracted, for their virtual value too.
        Assert.Equal(revenue, OverUrgency(r => VirtualValue(law, r, Math.Max(1 / r, freeSeconds)) - VirtualValue(law, r, freeSeconds)), 1e-9);
    }

    /// <summary>(prior; lower, upper), cost a second: aligned, diffusion (itself given to 2e-5), accumulation, at a mean of 14.7 s.</summary>
    [Theory]
    [InlineData(0.2, 0.005, 0.2085365, 0.104803, 0.0204705), InlineData(0.2, 0.02, 0.1782558, 0.070186, 0.0106335), InlineData(0.5, 0.005, 0.0815698, 0.033071, 0.0204705)]
    public void Belief_processes_with_serving_cost_earn_the_figures(double prior, double costPerSecond, double aligned, double diffusion, double accumulation)
    {
        var thresholds = new BeliefThresholds(prior, 0.1, 0.9, new BeliefThresholds(prior, 0.1, 0.9, 1).MeanSeconds / 14.7);
        var (greedy, diffuse) = (new GreedyAnswerTime(thresholds), new DiffusionAnswerTime(thresholds));
        Assert.Equal(aligned, OverUrgency(r => Best(greedy, r, costPerSecond), 40), 1e-7);
        Assert.Equal(diffusion, OverUrgency(r => Best(diffuse, r, costPerSecond), 10), 2e-5);
        // An answer at a known time is sold to all who are patient enough, by one price: r e^{−14.7 r} less the seconds of those who buy.
        Assert.Equal(accumulation, Highest(r => r * (Math.Exp(-14.7 * r) - 14.7 * costPerSecond), 0, 1, value: true), 1e-7);
    }

    /// <summary>Plans at cutoffs 1 = r₁ &gt; … &gt; r_K: the step from one cap to the next is priced at what the cutoff above it values it, and all below buy it.</summary>
    private static (double[] Cutoffs, double[] Caps, double[] Prices, double Profit) BestPlans(double meanSeconds, int plans)
    {
        var law = new ExponentialAnswerTime(meanSeconds);
        double[] cutoffs = [.. Enumerable.Range(0, plans).Select(k => Math.Pow(0.4, k))];
        (double[] Caps, double[] Prices, double Profit) Sold()
        {
            // Between two cutoffs the best cap is where both bring the same: r e^{−rT} of each.
            double[] caps = [.. cutoffs.Zip(cutoffs.Skip(1), (r, next) => Math.Log(r / next) / (r - next)), Forever];
            var (prices, price, profit) = (new double[plans], 0.0, 0.0);
            for (var k = 0; k < plans; k++)
            {
                var step = Discounted(law, cutoffs[k], caps[k]) - (k == 0 ? 0 : Discounted(law, cutoffs[k], caps[k - 1]));
                (prices[k], profit) = (price += step, profit + cutoffs[k] * step);
            }
            return (caps, prices, profit);
        }
        for (var (round, before) = (0, 0.0); round < 2000; round++, before = Sold().Profit)
        {
            for (var k = 1; k < plans; k++)
            {
                var at = k;
                cutoffs[k] = Highest(r => { cutoffs[at] = r; return Sold().Profit; }, (k + 1 < plans ? cutoffs[k + 1] : 0) + 1e-9, cutoffs[k - 1] - 1e-9);
            }
            if (round > 20 && Sold().Profit - before < 1e-16) break;
        }
        var (best, tariff, earned) = Sold();
        return (cutoffs, best, tariff, earned);
    }

    /// <summary>max over T of the virtual value less the cost: the best of a grid, and a parabola through it and its neighbours.</summary>
    private static double Best(AnswerTime law, double r, double costPerSecond)
    {
        const double speed = 20;
        var profit = new double[(int)(speed * 300)];
        double[] row = new double[profit.Length], waited = new double[profit.Length];
        var h = Math.Min(1e-3, r / 10);
        foreach (var (shift, weight) in new[] { (0.0, 1.0), (-2 * h, r / (12 * h)), (-h, -8 * r / (12 * h)), (h, 8 * r / (12 * h)), (2 * h, -r / (12 * h)) })
        {
            law.FillDiscountedAnswers(r + shift, speed, row);
            for (var m = 0; m < row.Length; m++) profit[m] += weight * row[m];
        }
        law.FillExpectedTokens(speed, waited);
        for (var m = 0; m < profit.Length; m++) profit[m] -= costPerSecond / speed * waited[m];
        var best = Array.IndexOf(profit, profit.Max());
        if (best == 0 || best == profit.Length - 1) return profit[best];
        var (left, right) = (profit[best - 1] - profit[best], profit[best + 1] - profit[best]);
        return left + right == 0 ? profit[best] : profit[best] - (right - left) * (right - left) / (8 * (left + right));
    }

    /// <summary>E[e^{−rτ}(1 − rτ)·1{τ ≤ T}], for G/g = r: the law's own table and its slope in r.</summary>
    private static double VirtualValue(AnswerTime law, double r, double seconds)
    {
        var h = Math.Min(1e-3, r / 10);
        double V(double at) => Discounted(law, at, seconds);
        return V(r) + r * (8 * (V(r + h) - V(r - h)) - (V(r + 2 * h) - V(r - 2 * h))) / (12 * h);
    }

    /// <summary>E[e^{−rτ}·1{τ ≤ T}] at any T: the table of a speed at which T is the first token.</summary>
    private static double Discounted(AnswerTime law, double r, double seconds)
    {
        Span<double> row = stackalloc double[2];
        law.FillDiscountedAnswers(r, 1 / seconds, row);
        return row[1];
    }

    /// <summary>E[min(τ, T)], in seconds.</summary>
    private static double WaitedSeconds(AnswerTime law, double seconds)
    {
        Span<double> row = stackalloc double[2];
        law.FillExpectedTokens(1 / seconds, row);
        return row[1] * seconds;
    }

    /// <summary>The mean over r ~ U[0,1], by Gauss on panels that get narrower towards the patient, whose caps have no bound.</summary>
    private static double OverUrgency(Func<double, double> earned, int panels = 400)
    {
        var (sum, from) = (0.0, 0.0);
        for (var n = 1; n <= panels; n++)
        {
            var to = Math.Pow((double)n / panels, 3);
            sum += GaussLegendreRule.Integrate(earned, from, to, 8);
            from = to;
        }
        return sum;
    }

    private static double Highest(Func<double, double> f, double low, double high, bool value = false)
    {
        var golden = (Math.Sqrt(5) - 1) / 2;
        while (high - low > 1e-10)
        {
            var (a, b) = (high - golden * (high - low), low + golden * (high - low));
            if (f(a) < f(b)) low = a;
            else high = b;
        }
        return value ? f((low + high) / 2) : (low + high) / 2;
    }

    private static double Root(Func<double, double> falling, double low, double high)
    {
        for (var n = 0; n < 60; n++)
        {
            var middle = (low + high) / 2;
            if (falling(middle) > 0) low = middle;
            else high = middle;
        }
        return low;
    }

    private static void AllEqual(double[] expected, IEnumerable<double> actual, double[] digits)
    {
        foreach (var ((wanted, got), within) in expected.Zip(actual).Zip(digits)) Assert.Equal(wanted, got, within);
    }
}
