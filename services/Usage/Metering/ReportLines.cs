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

    public void Add(LineKey key, long tokens)
    {
        if (tokens == 0) return;
        _tokens[key] = _tokens.GetValueOrDefault(key) + tokens;
    }

    public void Clear() => _tokens.Clear();

    private void Add(Guid subscription, UsageRow row, TokenKind kind, long tokens) =>
        Add(new LineKey(subscription, row.Period.Id, row.Period.End, row.Plan, kind), tokens);
}
