namespace PlanDesign.Estimation;

/// <summary>What became of an estimation: a market, or why the data cannot tell. Never a guess.</summary>
public enum EstimationOutcome
{
    Estimated,

    /// <summary>The observations or options cannot be so; the fault names the field.</summary>
    InvalidInput,

    /// <summary>Fewer answered conversations than <see cref="MarketEstimation.AnswersMin"/>, or too few to tell for whom the plans that were bought are best.</summary>
    TooFewConversations,

    /// <summary>Every conversation was cut: how long an answer takes was never seen.</summary>
    AllCut,

    /// <summary>Fewer customers than <see cref="MarketEstimation.CustomersMin"/>.</summary>
    TooFewCustomers,

    /// <summary>Every customer made the same choice: urgency is bounded on one side at most.</summary>
    OnePlanSold,

    /// <summary>A family of two parameters needs customers on both sides of two cutoffs.</summary>
    TooFewShares,

    /// <summary>Most customers bought what, at this value of an answer, is best for nobody.</summary>
    ChoicesContradictPrices,

    /// <summary>The likelihood has no maximum inside the family, or was not found.</summary>
    NotConverged,
}

/// <summary>An estimate with its bootstrap interval, in the unit of what it is.</summary>
public sealed record Interval(double Estimate, double Low, double High)
{
    public bool Covers(double truth) => Low <= truth && truth <= High;

    /// <summary>Percentiles of the draws, which may lie to one side of the estimate.</summary>
    internal static Interval Of(double estimate, double[] draws, double confidence)
    {
        if (draws.Length == 0) return new(estimate, double.NaN, double.NaN);
        double[] sorted = [.. draws.Order()];
        return new(estimate, At(sorted, (1 - confidence) / 2), At(sorted, (1 + confidence) / 2));
    }

    private static double At(double[] sorted, double probability)
    {
        // Hyndman and Fan (1996), type 6: the expected place of the quantile among the draws.
        var place = Math.Clamp(probability * (sorted.Length + 1) - 1, 0, sorted.Length - 1);
        var below = (int)place;
        return below + 1 >= sorted.Length ? sorted[^1] : sorted[below] + (place - below) * (sorted[below + 1] - sorted[below]);
    }
}

/// <summary>One figure of an estimated market.</summary>
/// <param name="Name">Such as <c>mu</c>, <c>shape</c>, <c>medianUrgency</c>, <c>unansweredAfter[300]</c>, <c>share[plan_…]</c>.</param>
/// <param name="Unit">Such as 1/second, or a part of customers.</param>
public sealed record EstimatedFigure(string Name, string Unit, Interval Interval);

/// <summary>
/// A plan of a menu that was on sale: the urgencies (1/second) for which it is best under the estimate, and who took it. The interval is
/// empty, From = To = 0, where it is best for nobody; whoever bought it tells nothing of urgency.
/// </summary>
public sealed record PlanInterval(int Menu, string PlanId, double FromPerSecond, double ToPerSecond, long Customers)
{
    public bool IsEmpty => ToPerSecond <= FromPerSecond;
}

/// <summary>A market learned from observations, with the uncertainty of every figure.</summary>
/// <param name="Sentence">What was found, or what to do so that it can be.</param>
/// <param name="Market">Ready to be solved; null unless <see cref="EstimationOutcome.Estimated"/>.</param>
/// <param name="Plans">Menu by menu, shortest cap first.</param>
/// <param name="LogLikelihood">Of the choices, in nats.</param>
/// <param name="DrawsThatCouldNotTell">Bootstrap draws without an estimate; they are in no interval.</param>
public sealed record EstimatedMarket(
    EstimationOutcome Outcome, string Sentence, Market? Market, IReadOnlyList<EstimatedFigure> Figures, IReadOnlyList<PlanInterval> Plans,
    double LogLikelihood, int DrawsThatCouldNotTell)
{
    public InputFault? Fault { get; init; }

    /// <summary>Sentences a person should read beside the figures.</summary>
    public IReadOnlyList<string> Notices { get; init; } = [];

    public bool IsEstimated => Outcome == EstimationOutcome.Estimated;

    /// <summary>The estimate by the name of its figure.</summary>
    /// <exception cref="KeyNotFoundException">There is no such figure.</exception>
    public Interval this[string name] => Figures.FirstOrDefault(f => f.Name == name)?.Interval ?? throw new KeyNotFoundException(name);

    internal MarketObservations? Observations { get; init; }
    internal EstimationOptions? Options { get; init; }
    internal MarketDraw? Base { get; init; }
    internal IReadOnlyList<MarketDraw> Draws { get; init; } = [];

    internal static EstimatedMarket CannotTell(EstimationOutcome outcome, string sentence) => new(outcome, sentence, null, [], [], 0, 0);
}
