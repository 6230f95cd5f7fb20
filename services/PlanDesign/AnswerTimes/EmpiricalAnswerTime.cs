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

    private double[] KaplanMeier()
    {
        var support = _tokens.Max();
        var (answered, cut) = (new int[support + 1], new int[support + 1]);
        for (var n = 0; n < _tokens.Length; n++) (_cut[n] ? cut : answered)[_tokens[n]]++;

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
