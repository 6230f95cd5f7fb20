namespace PlanDesign.AnswerTimes;

/// <summary>
/// The probability of the answer at each token, stated outright: any law of τ, as Zhong (arXiv 2510.09859) allows it, on a grid of tokens. That
/// answers come at the end of a token is ours.
/// </summary>
public sealed class DiscreteAnswerTime(IReadOnlyList<double> probabilityPerToken) : PerTokenAnswerTime
{
    private readonly double[] _probabilityPerToken = [.. probabilityPerToken];

    public override string Kind => "discrete";
    public override IReadOnlyList<double> ProbabilityPerToken => _probabilityPerToken;

    public override InputFault? Check()
    {
        const string field = "answerTime.probabilityPerToken";
        if (_probabilityPerToken.Length is 0 or > MarketLimits.CapTokensMax)
            return new(field, $"has {_probabilityPerToken.Length} entries, expected 1 to {MarketLimits.CapTokensMax}");
        for (var k = 0; k < _probabilityPerToken.Length; k++)
            if (InputFault.RangeFrom($"{field}[{k}]", _probabilityPerToken[k], 0, 1, "(a probability)") is { } fault) return fault;
        var sum = _probabilityPerToken.Sum();
        if (sum <= 0) return new(field, "are all zero: nobody is ever answered, so there is nothing to sell");
        return sum <= 1 + MarketLimits.SumTolerance ? null : new(field, FormattableString.Invariant($"sum to {sum}, expected at most 1"));
    }
}
