using System.Diagnostics;
using System.Text.Json.Serialization;
using Billing.Invoices;

namespace Billing.Periods;

/// <summary>
/// A period as it stood at a version: what reading it begins with, for its draft invoice as for decisions. Folded as events arrive, and equal to the fold
/// from zero, byte for byte (B4).
/// </summary>
/// <param name="Status">open or closed</param>
/// <param name="Late">usage after the close that no invoice has yet</param>
/// <param name="Billed">all usage invoiced for it; null while it is open, and for what was closed before views held it</param>
public sealed record PeriodView(
    string Id, string InvoiceId, string SubscriptionId, DateTimeOffset Start, string Status, PeriodFacts Facts, ValueList<PlanTokens> Late, long Version,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ValueList<PlanTokens>? Billed = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? ClosedAt = null)
{
    /// <summary>The state that decisions go on from, as of this version; null where the view does not hold all of it.</summary>
    [JsonIgnore]
    public PeriodState? State => (Status, Billed, ClosedAt) switch
    {
        ("open", _, _) => new PeriodState.Open(Facts, Version),
        (_, { } billed, { } at) => new PeriodState.Closed(Facts, billed, Late, at, Version),
        _ => null,
    };

    public static PeriodView Fold(PeriodView? view, string id, PeriodEvent e) => (view, e) switch
    {
        (null, PeriodOpened o) => new(id, InvoiceIds.Of(id), o.SubscriptionId, o.Start, "open", PeriodFacts.Of(o), [], 1),
        ({ Status: "open" } v, UsageApplied u) => v with { Facts = v.Facts.With(u), Version = v.Version + 1 },
        ({ Status: "open" } v, LateUsageAdded a) => v with { Facts = v.Facts.With(a), Version = v.Version + 1 },
        ({ Status: "open" } v, PeriodPlanChanged c) => v with { Facts = v.Facts.With(c), Version = v.Version + 1 },
        ({ Status: "open" } v, PeriodPlanEnded p) => v with { Facts = v.Facts.With(p), Version = v.Version + 1 },
        ({ Status: "open" } v, PeriodClosed c) => v with { Status = "closed", Facts = v.Facts.With(c), Billed = v.Facts.Usage, ClosedAt = c.At, Version = v.Version + 1 },
        ({ Status: "closed" } v, UsageApplied u) => v with { Late = v.Late.Plus(u.Lines), Version = v.Version + 1 },
        ({ Status: "closed" } v, LateUsageCarried) => v with { Billed = v.Billed?.Plus(v.Late), Late = [], Version = v.Version + 1 },
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {view?.Status ?? "nothing"} in {id}: the stream is corrupt"),
    };
}
