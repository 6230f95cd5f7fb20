namespace Billing.Periods;

/// <summary>Report <paramref name="Number"/> of a shard as usage sent it, by message or when asked. Chain values and roots are 64 hex digits.</summary>
public sealed record UsageReport(
    int Shard, long Number, long FirstBatch, long LastBatch, string PreviousChain, ValueList<string> Roots, string Chain,
    DateTimeOffset RecordedAt, ValueList<ReportedLine> Lines);

public sealed record ReportedLine(string SubscriptionId, string PeriodId, string PlanId, string Kind, long Tokens);

/// <summary>A period that billing opened, as far as a report must agree with it.</summary>
public sealed record KnownPeriod(string PeriodId, string SubscriptionId, DateTimeOffset End);

public sealed record PeriodUsage(KnownPeriod Period, UsageApplied Event);

/// <summary>
/// One report becomes one event in each period it speaks of. A line that cannot be placed refuses the whole report: half of a
/// report applied would be neither its number nor its chain.
/// </summary>
public static class ApplyReportDecision
{
    private static readonly HashSet<string> Kinds = [.. Enum.GetValues<TokenKind>().Select(k => k.Name())];

    /// <param name="plans">by subscription, every plan it ever had: a line may name the one before the last change, for usage hears of it a moment later</param>
    public static Decision<PeriodUsage> Decide(
        UsageReport report, IReadOnlyDictionary<string, KnownPeriod> periods, IReadOnlyDictionary<string, ValueList<string>> plans)
    {
        foreach (var line in report.Lines)
        {
            if (!periods.TryGetValue(line.PeriodId, out var period))
                return Decision.Refuse("period_unknown", $"billing never opened {line.PeriodId}, which usage recorded {line.Tokens} tokens for");
            if (period.SubscriptionId != line.SubscriptionId)
                return Decision.Refuse("subscription_mismatch", $"{line.PeriodId} belongs to {period.SubscriptionId}, not to {line.SubscriptionId}");
            if (!plans.TryGetValue(line.SubscriptionId, out var had) || !had.Contains(line.PlanId))
                return Decision.Refuse("plan_unknown", $"{line.SubscriptionId} never had {line.PlanId}, which usage recorded {line.Tokens} tokens for");
            if (!Kinds.Contains(line.Kind))
                return Decision.Refuse("kind_unknown", $"'{line.Kind}' is not a token kind that billing knows; deploy a newer billing first");
        }
        // By period id, so that every transaction locks streams in the same order.
        return Decision.Accept<PeriodUsage>([.. report.Lines.GroupBy(l => l.PeriodId).OrderBy(g => g.Key, StringComparer.Ordinal).Select(g =>
            new PeriodUsage(periods[g.Key], new UsageApplied(
                report.Shard, report.Number,
                new ValueList<PlanTokens>([]).Plus(g.Select(l => new PlanTokens(l.PlanId, TokenNames.ParseKind(l.Kind), l.Tokens)).ToValueList()),
                report.RecordedAt, report.Chain)))]);
    }
}
