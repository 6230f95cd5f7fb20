using PlanDesign.Urgency;

namespace PlanDesign.Screening.Certificates;

/// <summary>
/// The certificate's own V, C, rates and weights, from the input alone. On purpose it calls none of the solver's tables and, where there is
/// another way to the same number, goes that way: rates of a density by bisection of its cdf, Kaplan–Meier by Efron's (1967) redistribution
/// to the right. Two independent computations that agree are evidence; one used twice is not.
/// </summary>
internal sealed class CheckerTables
{
    private readonly Market _market;
    private readonly CheckerLaw _law;

    public CheckerTables(Market market, int capTokensMax, CellEnd end = CellEnd.Upper)
    {
        _market = market;
        (Rates, Weights) = CheckerUrgency.Of(market, end);
        _law = CheckerLaw.Of(market.AnswerTime, market.TokensPerSecond, capTokensMax);
        Cost = [.. _law.ExpectedTokens.Select(tokens => market.ServingCostPerToken * tokens)];
    }

    public double[] Rates { get; }
    public double[] Weights { get; }
    public double[] Cost { get; }

    public double[] Value(int type)
    {
        var row = new double[Cost.Length];
        _law.FillAnswers(Rates[type], row);
        for (var m = 0; m < row.Length; m++) row[m] *= _market.ValuePerAnswer;
        return row;
    }
}
