namespace PlanDesign.Estimation;

/// <summary>Nelder and Mead (1965) in two dimensions: no derivatives, and a value of +∞ is simply not entered. Deterministic.</summary>
internal static class SimplexSearch
{
    private const int StepsMax = 600;
    private const double SizeTolerance = 1e-7;

    public static ((double X, double Y) At, double Value, bool Converged) Minimum(
        Func<(double X, double Y), double> f, (double X, double Y) start, (double X, double Y) spread)
    {
        (double X, double Y)[] points = [start, (start.X + spread.X, start.Y), (start.X, start.Y + spread.Y)];
        var values = Array.ConvertAll(points, p => f(p));
        for (var step = 0; step < StepsMax; step++)
        {
            Array.Sort(values, points);
            var size = Math.Max(Distance(points[0], points[1]), Distance(points[0], points[2]));
            if (size <= SizeTolerance * (1 + Math.Abs(points[0].X) + Math.Abs(points[0].Y))) return (points[0], values[0], true);
            var middle = ((points[0].X + points[1].X) / 2, (points[0].Y + points[1].Y) / 2);
            var (reflected, atReflected) = Try(-1);
            if (atReflected < values[0])
            {
                var (expanded, atExpanded) = Try(-2);
                (points[2], values[2]) = atExpanded < atReflected ? (expanded, atExpanded) : (reflected, atReflected);
            }
            else if (atReflected < values[1]) (points[2], values[2]) = (reflected, atReflected);
            else
            {
                var (contracted, atContracted) = Try(atReflected < values[2] ? -0.5 : 0.5);
                if (atContracted < Math.Min(atReflected, values[2])) (points[2], values[2]) = (contracted, atContracted);
                else
                {
                    for (var n = 1; n < 3; n++)
                    {
                        points[n] = ((points[0].X + points[n].X) / 2, (points[0].Y + points[n].Y) / 2);
                        values[n] = f(points[n]);
                    }
                }
            }

            ((double, double), double) Try(double by)
            {
                var point = (middle.Item1 + by * (points[2].X - middle.Item1), middle.Item2 + by * (points[2].Y - middle.Item2));
                return (point, f(point));
            }
        }
        Array.Sort(values, points);
        return (points[0], values[0], false);
    }

    private static double Distance((double X, double Y) a, (double X, double Y) b) => Math.Max(Math.Abs(a.X - b.X), Math.Abs(a.Y - b.Y));
}
