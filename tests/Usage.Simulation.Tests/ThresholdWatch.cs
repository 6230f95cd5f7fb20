using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>
/// Holds the product to what it says of thresholds: with the row that passed one it is durable, once; and none is said that what is in the tables
/// never passed.
/// </summary>
internal sealed class ThresholdWatch(World world, Books books)
{
    public readonly record struct Key(Guid Subscription, CapWindow Window, string Conversation, DateTimeOffset? OpenedAt, long Tokens, CapThreshold Threshold);

    private static readonly CapThreshold[] Percents = [CapThreshold.Percent50, CapThreshold.Percent80, CapThreshold.Percent100];
    private readonly Dictionary<UsageRow, List<Key>> _expected = [];
    private readonly HashSet<Key> _stored = [];
    private readonly List<UsageCorrection> _corrections = [];
    private readonly Dictionary<Guid, DateTimeOffset> _toldAt = [];

    public int Count => _stored.Count;

    public void Corrected(UsageCorrection correction) => _corrections.Add(correction);

    /// <summary>The owner is about to hear of corrections: what it decided before did not know of them.</summary>
    public void Telling(Cell cell)
    {
        foreach (var correction in cell.Untold) _toldAt[correction.Id] = world.Now.Business;
    }

    /// <summary>Whatever is passed by now goes with this row, or with one before it. Not while a correction is about to be announced apart.</summary>
    public void Decided(Cell cell, UsageRow row)
    {
        cell.GaveBack &= cell.Announcing > 0;
        if (cell.Announcing > 0 || cell.Owner.Terms is null) return;
        var passed = Passed(cell, row.Generation.Header.Conversation, row.Period, row.FiveHours, row.Week, row.ReceivedAt);
        if (passed.Count > 0) _expected.Add(row, passed);
    }

    /// <summary>The owner has been told of a correction. What it passed is stored when it has been announced, unless a row on its way says it, or another correction.</summary>
    public IReadOnlyList<Key> Told(Cell cell, string conversation)
    {
        if (cell.Uncommitted.Count > 0 || cell.Announcing > 1 || cell.GaveBack || cell.Owner.Terms is not { } terms) return [];
        var now = world.Now.Business;
        return Passed(cell, conversation, terms.PeriodAt(now), books.Open(cell.Owner.Subscription, CapWindow.FiveHours, now), books.Open(cell.Owner.Subscription, CapWindow.Week, now), now);
    }

    public void Announced(IReadOnlyList<Key> passed)
    {
        foreach (var key in passed)
            if (!_stored.Contains(key)) throw new ViolationException($"{key.Threshold} of {key.Tokens} per {key.Window} is used up to a correction, and nothing says so");
    }

    /// <summary>Nothing is on its way to the tables: whatever is passed under the caps that the owner knows is in them.</summary>
    public void Quiet(Hold hold, Cell cell)
    {
        if (!hold.IsCurrent || !cell.IsLoaded || cell.Uncommitted.Count > 0 || cell.Announcing > 0 || cell.Untold.Count > 0 || cell.Owner.Terms is not { } terms) return;
        var now = world.Now.Business;
        foreach (var key in Passed(cell, "", terms.PeriodAt(now), books.Open(cell.Owner.Subscription, CapWindow.FiveHours, now), books.Open(cell.Owner.Subscription, CapWindow.Week, now), now))
            if (!_stored.Contains(key)) throw new ViolationException($"{key.Threshold} of {key.Tokens} per {key.Window} is used, and nothing says so");
    }

    private List<Key> Passed(Cell cell, string conversation, TermPeriod period, OpenWindow? fiveHours, OpenWindow? week, DateTimeOffset business)
    {
        var passed = new List<Key>();
        foreach (var rule in CapRule.Of(cell.Owner.Terms!))
        {
            DateTimeOffset? opened = rule.Window switch
            {
                CapWindow.Conversation => null,
                CapWindow.FiveHours => fiveHours?.OpenedAt,
                CapWindow.Week => week?.OpenedAt,
                CapWindow.BillingPeriod => period.Start,
            };
            if (opened is null && (rule.Window != CapWindow.Conversation || conversation.Length == 0)) continue;
            var used = books.UsedBy(cell, rule, conversation, period.Id, business);
            foreach (var percent in Percents)
                if (used * 100 >= rule.Tokens * (int)percent) passed.Add(new(cell.Owner.Subscription, rule.Window, rule.Window == CapWindow.Conversation ? conversation : "", opened, rule.Tokens, percent));
        }
        return passed;
    }

    public void Committed(IReadOnlyList<UsageRow> rows)
    {
        foreach (var row in rows)
        {
            if (!_expected.Remove(row, out var expected)) continue;
            foreach (var key in expected)
                if (!_stored.Contains(key))
                    throw new ViolationException($"{key.Threshold} of {key.Tokens} per {key.Window} is used up to {world.Name(row.Generation.Id)} #{row.Sequence}, and nothing says so");
        }
    }

    public void Stored(ThresholdCrossing crossing)
    {
        var rule = crossing.Rule;
        if (world.Schedule.IsTold) world.Tell($"  {crossing.Threshold} of {rule.Tokens} per {rule.Window} {crossing.Conversation} with {crossing.UsedTokens}");
        var percent = (int)crossing.Threshold;
        if (crossing.UsedTokens * 100 < rule.Tokens * percent) throw new ViolationException($"{crossing.UsedTokens} used are no {percent} % of {rule.Tokens}");
        // Its owner may not have heard of a later period then that usage knows now.
        var period = rule.Window == CapWindow.BillingPeriod ? Plans.PeriodOf(crossing.Subscription, crossing.OpenedAt!.Value) : world.TermsOf(crossing.Subscription).PeriodAt(crossing.At).Id;
        var used = books.Of(rule.Window, crossing.Subscription, crossing.Conversation, period, crossing.At).Used.Of(rule.Kinds);
        // What was taken back after it was passed was passed all the same.
        foreach (var c in _corrections)
            if (c.Subscription == crossing.Subscription && (!_toldAt.TryGetValue(c.Id, out var told) || told >= crossing.At))
                used += Math.Max(0, -Books.In(rule.Window, c, crossing.Conversation, period, crossing.At).Of(rule.Kinds));
        if (used < crossing.UsedTokens)
            throw new ViolationException($"{crossing.Threshold} of {rule.Tokens} per {rule.Window} is said with {crossing.UsedTokens} used, and {used} are in the tables");
        _stored.Add(new(crossing.Subscription, rule.Window, crossing.Conversation, crossing.OpenedAt, rule.Tokens, crossing.Threshold));
    }
}
