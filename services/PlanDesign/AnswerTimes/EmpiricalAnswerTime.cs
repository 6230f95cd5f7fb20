namespace PlanDesign.AnswerTimes;

/// <summary>
/// Lengths observed in production: tokens per conversation, and whether a cap (or a user who left) cut it before the answer. Cut ones are
/// right-censored: the survival is the product-limit estimate of Kaplan and Meier (1958), S(n) = Π_{k≤n} (1 − answered_k / atRisk_k). At
/// equal counts answers precede cuts. No cap goes beyond the largest observation: the tail is unknown, never invented.
/// </summary>
public sealed class EmpiricalAnswerTime : PerTokenAnswerTime
{
    private readonly int[] _tokens;
    private readonly bool[] _cut;
    private double[]? _probabilityPerToken;

    /// <param name="tokens">Generated tokens of each conversation.</param>
    /// <param name="cut">Whether each was cut unanswered; empty if none was.</param>
    public EmpiricalAnswerTime(IEnumerable<int> tokens, IEnumerable<bool>? cut = null)
    {
        _tokens = [.. tokens];
        _cut = cut is null ? new bool[_tokens.Length] : [.. cut];
    }

    /// <summary>A trace: every conversation that it lists ran to its answer.</summary>
    public static EmpiricalAnswerTime FromTrace(IEnumerable<int> generatedTokens) => new(generatedTokens);

    public override string Kind => "empirical";
    public IReadOnlyList<int> Tokens => _tokens;
    public IReadOnlyList<bool> Cut => _cut;
    public override IReadOnlyList<double> ProbabilityPerToken => _probabilityPerToken ??= KaplanMeier();

    public override InputFault? Check()
    {
        if (_tokens.Length is 0 or > MarketLimits.ObservationsMax)
            return new("answerTime.tokens", $"has {_tokens.Length} conversations, expected 1 to {MarketLimits.ObservationsMax}");
        if (_cut.Length != _tokens.Length)
            return new("answerTime.cut", $"has {_cut.Length} flags for {_tokens.Length} conversations, expected one for each");
        for (var n = 0; n < _tokens.Length; n++)
            if (_tokens[n] < (_cut[n] ? 0 : 1) || _tokens[n] > MarketLimits.CapTokensMax)
                return new($"answerTime.tokens[{n}]", $"is {_tokens[n]}, expected 1 to {MarketLimits.CapTokensMax} tokens");
        return _cut.Contains(false) ? null
            : new("answerTime.cut", "says that every conversation was cut: without one answer there is no answer time to learn");
    }

    /// <summary>
    /// The standard error of S(n) for n = 0 … the largest observation, Greenwood (1926): S(n)²·Σ_{k≤n} answered_k/(atRisk_k·(atRisk_k − answered_k))
    /// is its variance. 0 where S is 0: the formula says nothing there.
    /// </summary>
    public IReadOnlyList<double> SurvivalErrors()
    {
        var (answered, gone) = Counts();
        var errors = new double[answered.Length];
        var (atRisk, survival, sum) = ((double)_tokens.Length - gone[0], 1.0, 0.0);
        for (var n = 1; n < errors.Length; n++)
        {
            if (answered[n] > 0)
            {
                survival *= (atRisk - answered[n]) / atRisk;
                if (survival > 0) sum += answered[n] / (atRisk * (atRisk - answered[n]));
            }
            errors[n] = survival * Math.Sqrt(sum);
            atRisk -= answered[n] + gone[n];
        }
        return errors;
    }

    private (int[] Answered, int[] Cut) Counts()
    {
        var (answered, cut) = (new int[_tokens.Max() + 1], new int[_tokens.Max() + 1]);
        for (var n = 0; n < _tokens.Length; n++) (_cut[n] ? cut : answered)[_tokens[n]]++;
        return (answered, cut);
    }

    private double[] KaplanMeier()
    {
        var (answered, cut) = Counts();
        var support = answered.Length - 1;
        var probability = new double[support];
        var (atRisk, survival) = (_tokens.Length - cut[0], 1.0);
        for (var k = 1; k <= support; k++)
        {
            if (answered[k] > 0)
            {
                probability[k - 1] = survival * answered[k] / atRisk;
                survival *= (double)(atRisk - answered[k]) / atRisk;
            }
            atRisk -= answered[k] + cut[k];
        }
        return probability;
    }
}
