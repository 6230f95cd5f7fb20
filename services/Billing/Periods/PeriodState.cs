using System.Diagnostics;
using System.Text.Json.Serialization;
using Billing.Subscriptions;

namespace Billing.Periods;

/// <summary>What an invoice is made from, as far as the period's own events say: sums, so that a busy period stays small.</summary>
/// <param name="PlanId">the plan that holds at the end</param>
/// <param name="Plans">which plan held when</param>
/// <param name="LocalTime">null goes by UTC, as periods did that were opened before it was noted</param>
/// <param name="CustomerDetailsSha256">of the details at the close; empty before, and for a customer without any</param>
public sealed record PeriodFacts(
    string SubscriptionId, string CustomerId, string MenuId, string PlanId, int Number, DateTimeOffset Start, DateTimeOffset End,
    ValueList<PlanTokens> Usage, ValueList<LateUsageAdded> Adjustments, PlanTimes Plans, string CustomerDetailsSha256 = "",
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] LocalTime? LocalTime = null)
{
    public static PeriodFacts Of(PeriodOpened o) => new(
        o.SubscriptionId, o.CustomerId, o.MenuId, o.PlanId, o.Number, o.Start, o.End, [], [],
        new(o.FullStart ?? o.Start, o.Start, o.End, [new(o.PlanId, o.Start, o.Trial, o.Paused)], o.Ended ? o.Start : null), "", o.LocalTime);

    [JsonIgnore]
    public string PeriodId => PeriodIds.Of(SubscriptionId, Number, Start);

    /// <summary>True when there is nothing to invoice: the subscription was cancelled before it or paused throughout, and nothing was recorded for it.</summary>
    [JsonIgnore]
    public bool IsEmpty => !Plans.Served().Any() && Usage.Count == 0 && Adjustments.Count == 0;

    public PeriodFacts With(UsageApplied u) => this with { Usage = Usage.Plus(u.Lines) };
    public PeriodFacts With(LateUsageAdded a) => this with { Adjustments = [.. Adjustments, a] };
    public PeriodFacts With(PeriodPlanChanged c) => this with { MenuId = c.MenuId, PlanId = c.PlanId, Plans = Plans.With(c.PlanId, c.From, c.Trial, c.Paused) };
    public PeriodFacts With(PeriodPlanEnded e) => this with { Plans = Plans.EndedFrom(e.From) };
    public PeriodFacts With(PeriodClosed c) => this with { CustomerDetailsSha256 = c.CustomerDetailsSha256 ?? "" };
}

public abstract record PeriodState
{
    public sealed record None : PeriodState;

    /// <param name="Version">events so far</param>
    public sealed record Open(PeriodFacts Facts, long Version) : PeriodState;

    /// <param name="Facts">as they stood at the close: the invoice's</param>
    /// <param name="Billed">all usage invoiced for this period: at the close, and with later periods</param>
    /// <param name="Late">usage that no invoice has yet</param>
    public sealed record Closed(PeriodFacts Facts, ValueList<PlanTokens> Billed, ValueList<PlanTokens> Late, DateTimeOffset ClosedAt, long Version) : PeriodState
    {
        public bool HasLate => Late.Any(l => l.Tokens != 0);
    }

    public static PeriodState Initial { get; } = new None();

    public static PeriodState Evolve(PeriodState state, PeriodEvent e) => (state, e) switch
    {
        (None, PeriodOpened o) => new Open(PeriodFacts.Of(o), 1),
        (Open s, UsageApplied u) => new Open(s.Facts.With(u), s.Version + 1),
        (Open s, LateUsageAdded a) => new Open(s.Facts.With(a), s.Version + 1),
        (Open s, PeriodPlanChanged c) => new Open(s.Facts.With(c), s.Version + 1),
        (Open s, PeriodPlanEnded p) => new Open(s.Facts.With(p), s.Version + 1),
        (Open s, PeriodClosed c) => new Closed(s.Facts.With(c), s.Facts.Usage, [], c.At, s.Version + 1),
        (Closed s, UsageApplied u) => s with { Late = s.Late.Plus(u.Lines), Version = s.Version + 1 },
        (Closed s, LateUsageCarried c) when c.ThroughVersion == s.Version =>
            s with { Billed = s.Billed.Plus(s.Late), Late = [], Version = s.Version + 1 },
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}
