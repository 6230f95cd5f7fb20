using System.Numerics;
using System.Text.Json.Serialization;
using Billing.Menus;

namespace Billing.Periods;

/// <param name="Trial">no fee while it lasts</param>
/// <param name="Paused">the subscription rests: no fee, and nothing is included</param>
public sealed record PlanSegment(
    string PlanId, DateTimeOffset From, bool Trial, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Paused = false);

/// <summary>
/// Which plan held when within a period. Boundaries of periods never move, whatever happens to a subscription, for usage was told them: a change, the end
/// of a trial, a pause, a cancellation each only begin another segment.
/// </summary>
/// <param name="FullStart">where the whole period begins of which this one is a part: earlier than Start only for a first period that began between two anchor days</param>
/// <param name="Segments">in order of time; the first from Start</param>
/// <param name="EndedAt">from then on no plan held, for the subscription was cancelled</param>
public sealed record PlanTimes(DateTimeOffset FullStart, DateTimeOffset Start, DateTimeOffset End, ValueList<PlanSegment> Segments, DateTimeOffset? EndedAt)
{
    /// <summary>Amounts and tokens are cut at this fraction of a micro, so that parts, being differences, add up to the whole exactly.</summary>
    private const int FractionDigits = 9;

    /// <summary>This plan from then on. A segment that began at the same instant or later never was.</summary>
    public PlanTimes With(string planId, DateTimeOffset from, bool trial, bool paused = false)
    {
        var kept = Segments.Where(s => s.From < from).ToArray();
        var unchanged = kept.Length > 0 && (kept[^1].PlanId, kept[^1].Trial, kept[^1].Paused) == (planId, trial, paused);
        return this with { Segments = unchanged ? kept.ToValueList() : [.. kept, new PlanSegment(planId, kept.Length == 0 ? Start : from, trial, paused)] };
    }

    public PlanTimes EndedFrom(DateTimeOffset from) => this with { EndedAt = from };

    /// <summary>True when one plan held throughout, whole and paid.</summary>
    [JsonIgnore]
    public bool IsWhole => FullStart == Start && EndedAt is null && Segments is [{ Trial: false, Paused: false }];

    /// <summary>True when this usage is rated by its own plan as it is sold: nothing about the period needs to be known.</summary>
    public bool IsPlainFor(ValueList<PlanTokens> usage) => IsWhole && usage.All(u => Held(u.PlanId));

    /// <summary>The segments that lasted, with their ends.</summary>
    public IEnumerable<(PlanSegment Segment, DateTimeOffset To)> Spans()
    {
        for (var i = 0; i < Segments.Count; i++)
        {
            var to = i + 1 < Segments.Count ? Segments[i + 1].From : End;
            if (EndedAt is { } ended && ended < to) to = ended;
            if (Segments[i].From < to) yield return (Segments[i], to);
        }
    }

    /// <summary>Those in which the plan was served: neither fee nor tokens come from a pause.</summary>
    public IEnumerable<(PlanSegment Segment, DateTimeOffset To)> Served() => Spans().Where(s => !s.Segment.Paused);

    /// <summary>
    /// The part of an amount for the whole period that falls before <paramref name="to"/>. Cumulative: what falls between two times is the difference of
    /// two of these, and however finely a period is cut, the parts add up to the whole exactly.
    /// </summary>
    public decimal Until(DateTimeOffset to, long whole)
    {
        var scale = BigInteger.Pow(10, FractionDigits);
        var scaled = new BigInteger(whole) * (to - FullStart).Ticks * scale / (End - FullStart).Ticks;
        return (decimal)scaled / (decimal)scale;
    }

    /// <summary>The part of an amount between two times.</summary>
    public decimal Between(DateTimeOffset from, DateTimeOffset to, long whole) => Until(to, whole) - Until(from, whole);

    /// <summary>
    /// The menu as it applies to this period: a plan includes the part of its tokens that it includes for a whole period, as its fee is that part of the
    /// fee. A trial includes tokens too.
    /// </summary>
    public MenuTerms Prorated(MenuTerms menu) => IsWhole
        ? menu
        : menu with { Plans = menu.Plans.Select(p => p with { Caps = p.Caps.Select(c => Prorated(p.PlanId, c)).ToValueList() }).ToValueList() };

    /// <summary>
    /// Usage by the plans that held. In the moment between a turn and hearing of it, usage still records the plan of the period before: those tokens are
    /// rated by the plan that this period began with.
    /// </summary>
    public ValueList<PlanTokens> Attributed(ValueList<PlanTokens> usage) => usage.All(u => Held(u.PlanId))
        ? usage
        : new ValueList<PlanTokens>([]).Plus(usage.Select(u => Held(u.PlanId) ? u : u with { PlanId = Segments[0].PlanId }).ToValueList());

    private bool Held(string planId) => Segments.Any(s => s.PlanId == planId);

    private Cap Prorated(string planId, Cap cap) => cap.Enforcement == CapEnforcement.Billed
        ? cap with { Tokens = (long)decimal.Floor(Served().Where(s => s.Segment.PlanId == planId).Sum(s => Between(s.Segment.From, s.To, cap.Tokens))) }
        : cap;
}
