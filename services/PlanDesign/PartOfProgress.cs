namespace PlanDesign;

/// <summary>The progress of one of several steps, as a stretch of the whole.</summary>
/// <param name="from">Where the step begins, from 0 to 1.</param>
/// <param name="share">How much of the whole it is.</param>
public sealed class PartOfProgress(IProgress<double>? whole, double from, double share) : IProgress<double>
{
    public void Report(double value) => whole?.Report(from + share * value);
}
