using Usage.Corrections;

namespace Usage.Metering;

/// <param name="Subscription">with period, plan and kind, what a line is about</param>
public readonly record struct LineKey(Guid Subscription, Guid Period, DateTimeOffset PeriodEnd, Guid Plan, TokenKind Kind);

/// <summary>What the batches since the last report add up to, by subscription, period, plan and kind. Kinds without tokens have no line.</summary>
public sealed class ReportLines
{
    private readonly Dictionary<LineKey, long> _tokens = [];

    public int Count => _tokens.Count;
    public IReadOnlyDictionary<LineKey, long> Tokens => _tokens;

    /// <summary>What one commit adds, summed before: a line is met once for a commit, and not once for a row.</summary>
    public void Add(CommitSums sums)
    {
        foreach (var ((subscription, period, plan), sum) in sums.Periods)
        {
            void Line(TokenKind kind, long tokens) => Add(new LineKey(subscription, period, sum.Last.Period.End, plan, kind), tokens);
            Line(TokenKind.Input, sum.Tokens.Input);
            Line(TokenKind.CachedInput, sum.Tokens.CachedInput);
            Line(TokenKind.CacheCreation, sum.Tokens.CacheCreation);
            Line(TokenKind.Output, sum.Tokens.Output);
            Line(TokenKind.Reasoning, sum.Tokens.Reasoning);
            Line(TokenKind.Overrun, sum.Overrun);
        }
    }

    public void Add(UsageCorrection c)
    {
        Add(c, TokenKind.Input, c.Deltas.Input);
        Add(c, TokenKind.CachedInput, c.Deltas.CachedInput);
        Add(c, TokenKind.CacheCreation, c.Deltas.CacheCreation);
        Add(c, TokenKind.Output, c.Deltas.Output);
        Add(c, TokenKind.Reasoning, c.Deltas.Reasoning);
        Add(c, TokenKind.Overrun, c.OverrunDelta);
    }

    public void Add(LineKey key, long tokens)
    {
        if (tokens == 0) return;
        // A correction may take back exactly what the same report says.
        var sum = _tokens.GetValueOrDefault(key) + tokens;
        if (sum == 0) _tokens.Remove(key);
        else _tokens[key] = sum;
    }

    public void Clear() => _tokens.Clear();

    private void Add(UsageCorrection c, TokenKind kind, long tokens) => Add(new LineKey(c.Subscription, c.Period, c.PeriodEnd, c.Plan, kind), tokens);
}
