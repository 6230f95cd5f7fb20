using System.Diagnostics.Metrics;

namespace PlanDesign.Host;

/// <summary>What plan design tells its operators, under the meter "Billing.PlanDesign".</summary>
public sealed class PlanDesignMetrics
{
    private readonly Histogram<double> _solve;
    private readonly Counter<long> _published;
    private readonly Meter _meter;

    public PlanDesignMetrics(IMeterFactory meters)
    {
        _meter = meters.Create("Billing.PlanDesign");
        _solve = _meter.CreateHistogram("plan_design.solve.duration", "s", "Time of one computation, waiting left out, by outcome: solved, refused, too_long or abandoned.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120] });
        _published = _meter.CreateCounter<long>("plan_design.menus.announced", "{menu}", "Published menus that billing's queue has taken.");
    }

    /// <summary>Figures that the solver knows: asked for when somebody looks.</summary>
    public void Observe(Func<int> running, Func<int> waiting)
    {
        _meter.CreateObservableGauge("plan_design.solves.running", running, "{solve}", "Computations under way.");
        _meter.CreateObservableGauge("plan_design.solves.waiting", waiting, "{solve}", "Calls that wait for their turn.");
    }

    public void Solved(TimeSpan took, string outcome) => _solve.Record(took.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));

    public void Announced() => _published.Add(1);
}
