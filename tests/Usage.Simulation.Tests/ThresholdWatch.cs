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
    private readonly record struct Key(Guid Subscription, CapWindow Window, string Conversation, DateTimeOffset? OpenedAt, long Tokens, CapThreshold Threshold);

    private static readonly CapThreshold[] Percents = [CapThreshold.Percent50, CapThreshold.Percent80, CapThreshold.Percent100];
    private readonly Dictionary<UsageRow, List<Key>> _expected = [];
    private readonly HashSet<Key> _stored = [];
    private readonly List<UsageCorrection> _corrections = [];
    private readonly Dictionary<Guid, DateTimeOffset> _toldAt = [];

    public int Count => _stored.Count;

    public void Corrected(UsageCorrection correction) => _corrections.Add(correction);

    /// <summary>The owner hears of corrections: what it decided before did not know of them.</summary>
    public void Told(Cell cell)
    {
        foreach (var correction in cell.Untold) _toldAt[correction.Id] = world.Now.Business;
    }

    /// <summary>
    /// Whatever is passed by now goes with this row, or with one before it. Not while a correction is about to be announced apart.
    /// </summary>
    public void Decided(Cell cell, UsageRow row)
    {
        var owner = cell.Owner;
        if (cell.Announcing > 0 || owner.Terms is null) return;
        var (conversation, expected) = (row.Generation.Header.Conversation, new List<Key>());
        foreach (var rule in CapRule.Of(owner.Terms))
        {
            DateTimeOffset? opened = rule.Window switch
            {
                CapWindow.Conversation => null,
                CapWindow.FiveHours => row.FiveHours?.OpenedAt,
                CapWindow.Week => row.Week?.OpenedAt,
                CapWindow.BillingPeriod => row.Period.Start,
            };
            if (opened is null && rule.Window != CapWindow.Conversation) continue;
            var used = books.UsedBy(cell, rule, conversation, row.Period.Id, row.ReceivedAt);
            foreach (var percent in Percents)
                if (used * 100 >= rule.Tokens * (int)percent) expected.Add(new(owner.Subscription, rule.Window, rule.Window == CapWindow.Conversation ? conversation : "", opened, rule.Tokens, percent));
        }
        if (expected.Count > 0) _expected.Add(row, expected);
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
        var period = world.TermsOf(crossing.Subscription).PeriodAt(crossing.At).Id;
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
