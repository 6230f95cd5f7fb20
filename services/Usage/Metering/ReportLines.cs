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

    public void Add(UsageRow row)
    {
        var subscription = row.Generation.Header.Subscription;
        Add(subscription, row, TokenKind.Input, row.Tokens.Input);
        Add(subscription, row, TokenKind.CachedInput, row.Tokens.CachedInput);
        Add(subscription, row, TokenKind.CacheCreation, row.Tokens.CacheCreation);
        Add(subscription, row, TokenKind.Output, row.Tokens.Output);
        Add(subscription, row, TokenKind.Reasoning, row.Tokens.Reasoning);
        Add(subscription, row, TokenKind.Overrun, row.OverrunTokens);
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

    private void Add(Guid subscription, UsageRow row, TokenKind kind, long tokens) =>
        Add(new LineKey(subscription, row.Period.Id, row.Period.End, row.Plan, kind), tokens);
}
