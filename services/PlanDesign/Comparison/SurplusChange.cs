using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// Who gains and who loses when one tariff takes another's place. Shares are of the whole market; gains are money per conversation of each
/// served type, most patient first.
/// </summary>
public sealed record SurplusChange(double ShareBetter, double ShareWorse, double MeanGainOfBetter, double MeanLossOfWorse, IReadOnlyList<double> GainByType)
{
    /// <summary>In parts of the value of an answer: less is no change.</summary>
    public const double Tolerance = 1e-9;

    internal static SurplusChange Between(MarketTables tables, TariffOutcome from, TariffOutcome to)
    {
        static double At(TariffOutcome outcome, int type) => type < outcome.SurplusByType.Count ? outcome.SurplusByType[type] : 0;
        var gains = Enumerable.Range(0, tables.Types.Count).Select(i => At(to, i) - At(from, i)).ToArray();
        var (better, worse, gained, lost) = (0.0, 0.0, 0.0, 0.0);
        foreach (var (gain, weight) in gains.Zip(tables.Types.Weights))
        {
            if (gain > Tolerance * tables.ValuePerAnswer) (better, gained) = (better + weight, gained + weight * gain);
            if (gain < -Tolerance * tables.ValuePerAnswer) (worse, lost) = (worse + weight, lost - weight * gain);
        }
        return new(Math.Min(1, better), Math.Min(1, worse), better > 0 ? gained / better : 0, worse > 0 ? lost / worse : 0, gains);
    }
}
