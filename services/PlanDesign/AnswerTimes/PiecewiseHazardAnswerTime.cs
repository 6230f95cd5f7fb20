using static PlanDesign.AnswerTimes.Quadrature.Exponentials;

namespace PlanDesign.AnswerTimes;

/// <summary>
/// The rate at which answers come is constant between given times: hazard[0] (1/second) until until[0] (seconds), hazard[1] until until[1] …,
/// the last one for ever. A last hazard of 0 means that the rest is never answered. A rising hazard makes marginal token prices rise
/// first; theory section 2. The piecewise exponential law of survival analysis: M. Friedman, Piecewise exponential models for survival data with covariates,
/// Annals of Statistics 10 (1982). Tables in closed form, piece by piece.
/// </summary>
public sealed class PiecewiseHazardAnswerTime(IReadOnlyList<double> untilSeconds, IReadOnlyList<double> hazardPerSecond) : AnswerTime
{
    private const double HazardPerSecondMax = 1e6;
    private const int PiecesMax = 1000;

    private readonly double[] _until = [.. untilSeconds];
    private readonly double[] _hazard = [.. hazardPerSecond];

    public IReadOnlyList<double> UntilSeconds => _until;
    public IReadOnlyList<double> HazardPerSecond => _hazard;
    public override string Kind => "piecewiseHazard";
    public override int? SupportTokens => null;

    public override InputFault? Check()
    {
        if (_hazard.Length is 0 or > PiecesMax)
            return new("answerTime.hazardPerSecond", $"has {_hazard.Length} pieces, expected 1 to {PiecesMax}");
        if (_until.Length != _hazard.Length - 1)
            return new("answerTime.untilSeconds",
                $"has {_until.Length} times for {_hazard.Length} hazards, expected one less: the last hazard goes on for ever");
        for (var n = 0; n < _hazard.Length; n++)
        {
            var fault = InputFault.RangeFrom($"answerTime.hazardPerSecond[{n}]", _hazard[n], 0, HazardPerSecondMax, "per second")
                ?? (n == _until.Length ? null : InputFault.Range(
                    $"answerTime.untilSeconds[{n}]", _until[n], n == 0 ? 0 : _until[n - 1], MarketLimits.SecondsMax, "seconds, ascending"));
            if (fault is not null) return fault;
        }
        return _hazard.Any(h => h > 0) ? null
            : new("answerTime.hazardPerSecond", "are all zero: nobody is ever answered, so there is nothing to sell");
    }

    public override double Survival(int tokens, double tokensPerSecond)
    {
        var (seconds, from, total) = (tokens / tokensPerSecond, 0.0, 0.0);
        for (var n = 0; n < _hazard.Length && from < seconds; n++)
        {
            var to = n < _until.Length ? Math.Min(_until[n], seconds) : seconds;
            total += _hazard[n] * (to - from);
            from = to;
        }
        return Math.Exp(-total);
    }

    public override void FillDiscountedAnswers(double ratePerSecond, double tokensPerSecond, Span<double> byCapTokens) =>
        Fill(tokensPerSecond, byCapTokens, (from, seconds, survival, hazard) => hazard == 0 ? 0
            : survival * Math.Exp(-ratePerSecond * from) * hazard / (hazard + ratePerSecond) * OneMinusExp((hazard + ratePerSecond) * seconds));

    public override void FillExpectedTokens(double tokensPerSecond, Span<double> byCapTokens) =>
        Fill(tokensPerSecond, byCapTokens, (_, seconds, survival, hazard) =>
            tokensPerSecond * survival * (hazard == 0 ? seconds : OneMinusExp(hazard * seconds) / hazard));

    /// <param name="part">What a stretch of one hazard adds: its start, its length, S at its start, its hazard.</param>
    private void Fill(double tokensPerSecond, Span<double> byCapTokens, Func<double, double, double, double, double> part)
    {
        var (sum, total, from, piece) = (0.0, 0.0, 0.0, 0);
        byCapTokens[0] = 0;
        for (var m = 1; m < byCapTokens.Length; m++)
        {
            for (var end = m / tokensPerSecond; from < end;)
            {
                var to = piece < _until.Length ? Math.Min(_until[piece], end) : end;
                sum += part(from, to - from, Math.Exp(-total), _hazard[piece]);
                total += _hazard[piece] * (to - from);
                from = to;
                if (piece < _until.Length && from >= _until[piece]) piece++;
            }
            byCapTokens[m] = sum;
        }
    }
}
