using System.Numerics.Tensors;
using PlanDesign.AnswerTimes;
using PlanDesign.Urgency;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// The certificate's own V, C, rates and weights, from the input alone. On purpose it calls none of the solver's tables and, where there is
/// another way to the same number, goes that way: rates of a density by Newton's method on a cdf of its own, Kaplan–Meier by Efron's (1967) redistribution
/// to the right. Two independent computations that agree are evidence; one used twice is not.
/// </summary>
internal sealed class CheckerTables
{
    private readonly Market _market;
    private readonly CheckerLaw _law;
    private readonly double[]? _unanswered;

    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public CheckerTables(Market market, int capTokensMax, CellEnd end = CellEnd.Upper, CancellationToken cancellation = default)
    {
        _market = market;
        (Rates, Weights) = CheckerUrgency.Of(market, end, cancellation);
        _law = CheckerLaw.Of(market.AnswerTime, market.TokensPerSecond, capTokensMax, cancellation);
        if (market.ValueAtCap > 0)
        {
            // What is not answered by the cap is what an answer without discount leaves.
            _law.FillAnswers(0, _unanswered = new double[capTokensMax + 1]);
            for (var m = 0; m <= capTokensMax; m++) _unanswered[m] = 1 - _unanswered[m];
        }
        Cost = [.. _law.ExpectedTokens.Select(tokens => market.ServingCostPerToken * tokens)];
    }

    /// <summary>Whether V may fall in the cap, and single crossing fails.</summary>
    public bool HasValueAtCap => _unanswered is not null;

    public double[] Rates { get; }
    public double[] Weights { get; }
    public double[] Cost { get; }

    public double[] Value(int type)
    {
        var row = new double[Cost.Length];
        FillValue(type, row);
        return row;
    }

    /// <summary>V at a few ascending caps, with a row to work in.</summary>
    public void FillValueAt(int type, int[] caps, double[] values, double[] row)
    {
        if (_law.FillAnswersAt is { } few) few(Rates[type], caps, values);
        else
        {
            _law.FillAnswers(Rates[type], row);
            for (var k = 0; k < caps.Length; k++) values[k] = row[caps[k]];
        }
        for (var k = 0; k < caps.Length; k++) values[k] = _market.ValuePerAnswer * (values[k] + KeptAtCap(Rates[type], caps[k]));
    }

    public void FillValue(int type, double[] row)
    {
        row[0] = 0;
        _law.FillAnswers(Rates[type], row);
        if (_unanswered is not null)
            for (var m = 1; m < row.Length; m++) row[m] += KeptAtCap(Rates[type], m);
        TensorPrimitives.Multiply(row, _market.ValuePerAnswer, row);
    }

    /// <summary>
    /// Whether the caps of these tables are all that the market can use: to the end of what its answer times support, to the largest cap it states, or to
    /// where what is left of answers, times the most that an answer there could earn, is negligible. A grid cut off at its largest is said to be.
    /// </summary>
    public bool HaveAllCaps()
    {
        var (last, stated) = (Cost.Length - 1, _market.CapTokensMax ?? MarketLimits.CapTokensMax);
        if (_market.AnswerTime is PerTokenAnswerTime listed) return last == Math.Min(listed.ProbabilityPerToken.Count, stated);
        if (_market.CapTokensMax is not null || last == MarketLimits.CapTokensDefaultMax) return last == (_market.CapTokensMax ?? last);
        var answers = new double[last + 1];
        _law.FillAnswers(0, answers);
        var (rates, weights) = _market.Urgency.HasIntervals && !_market.Urgency.HasDensity ? CheckerUrgency.Of(_market, CellEnd.Lower, default) : (Rates, Weights);
        var (best, upTo) = (0.0, 0.0);
        for (var i = 0; i < rates.Length; i++) best = Math.Max(best, (upTo += weights[i]) * Math.Exp(-rates[i] * last / _market.TokensPerSecond));
        // A little more, for the solver's and these figures differ in their last digits.
        return (1 - answers[last]) * best <= 1.001 * MarketLimits.TailDefault + 1e-14;
    }

    private double KeptAtCap(double rate, int cap) =>
        _unanswered is null || cap == 0 ? 0 : _market.ValueAtCap * _unanswered[cap] * Math.Exp(-rate * (cap / _market.TokensPerSecond));
}
