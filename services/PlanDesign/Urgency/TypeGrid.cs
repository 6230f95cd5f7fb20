namespace PlanDesign.Urgency;

/// <summary>
/// Types of customers: rates strictly ascending (1/second), the share of the market each stands for, and the interval of rates it
/// stands for (both ends the rate itself when the market is discrete). Weights and <paramref name="UnservedWeight"/> sum to 1.
/// </summary>
public sealed record TypeGrid(
    double[] RatesPerSecond, double[] Weights, double[] FromRatesPerSecond, double[] ToRatesPerSecond, double UnservedWeight)
{
    /// <summary>Types that can be served; an infinitely urgent last one is not among them.</summary>
    public int Count => RatesPerSecond.Length;

    public bool HasUnservedType => UnservedWeight > 0;

    /// <summary>W_i = w_1 + … + w_i: the share of customers at least as patient as type i.</summary>
    public double[] CumulativeWeights()
    {
        var cumulative = new double[Count];
        for (var (i, sum) = (0, 0.0); i < Count; i++) cumulative[i] = sum += Weights[i];
        return cumulative;
    }

    /// <summary>
    /// K(t) = max over types of W_i e^{-r_i t}: what an answer at <paramref name="seconds"/> can earn at most, per unit of value.
    /// </summary>
    public double BestDiscountedMass(double seconds)
    {
        var (best, sum) = (0.0, 0.0);
        for (var i = 0; i < Count; i++)
        {
            sum += Weights[i];
            best = Math.Max(best, sum * Math.Exp(-RatesPerSecond[i] * seconds));
        }
        return best;
    }
}
