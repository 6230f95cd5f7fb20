namespace PlanDesign.AnswerTimes.Quadrature;

internal static class Exponentials
{
    public const double CancelsBelow = 0.1;

    /// <summary>1 − e^{−x}, without the cancellation at small x: 2·e^{−x/2}·sinh(x/2).</summary>
    public static double OneMinusExp(double x) => x < CancelsBelow ? 2 * Math.Exp(-x / 2) * Math.Sinh(x / 2) : 1 - Math.Exp(-x);
}
