namespace PlanDesign.AnswerTimes;

/// <summary>
/// Information that is gathered without a word until it suffices: the answer comes exactly at the mean time. Of all processes with these
/// thresholds and this budget it spreads answer times least. Zhong, arXiv 2510.09859.
/// </summary>
public sealed class AccumulationAnswerTime(BeliefThresholds thresholds) : DeterministicAnswerTime(thresholds.MeanSeconds)
{
    public BeliefThresholds Thresholds { get; } = thresholds;
    public override string Kind => "accumulation";
    public override InputFault? Check() => Thresholds.Check();
}
