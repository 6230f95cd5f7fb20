namespace Usage.Caps;

/// <param name="OpenedAt">absent while a window is not open, and for a conversation</param>
public sealed record BalanceLine(CapRule Rule, long UsedTokens, long ReservedTokens, DateTimeOffset? OpenedAt, DateTimeOffset? ClosesAt);

public sealed partial class SubscriptionOwner
{
    /// <summary>Every cap as it stands; the one per conversation only if a conversation is named.</summary>
    public IReadOnlyList<BalanceLine> Balance(string? conversation, Moment at)
    {
        var lines = new List<BalanceLine>();
        if (Terms is not { } terms) return lines;
        var named = conversation is null ? null : _conversations.GetValueOrDefault(conversation) ?? new Conversation(conversation, default);
        foreach (var rule in _rules)
        {
            if (rule.Window == CapWindow.Conversation && named is null) continue;
            var any = named ?? new Conversation("", default);
            var (opened, closes) = Bounds(rule.Window, terms, at.Business);
            lines.Add(new BalanceLine(rule, UsedIn(rule.Window, any, at.Business).Of(rule.Kinds), ReservedIn(rule, any, at.Confirmed), opened, closes));
        }
        return lines;
    }

    private (DateTimeOffset? Opened, DateTimeOffset? Closes) Bounds(CapWindow window, SubscriptionTerms terms, DateTimeOffset business)
    {
        if (window == CapWindow.Conversation) return (null, null);
        if (window == CapWindow.BillingPeriod)
        {
            var period = terms.PeriodAt(business);
            return (period.Start, period.End);
        }
        var rolling = Rolling(window);
        return rolling.IsOpenAt(business) ? (rolling.Current!.OpenedAt, rolling.Current.ClosesAt) : (null, null);
    }
}
