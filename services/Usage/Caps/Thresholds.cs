using System.Globalization;
using Usage.Metering;

namespace Usage.Caps;

/// <summary>How far a cap is used, in percent; or that it will be used up before its window closes, at the average pace of the window so far.</summary>
public enum CapThreshold { ProjectedExhaustion = 0, Percent50 = 50, Percent80 = 80, Percent100 = 100 }

/// <param name="OpenedAt">of the window; null for a conversation</param>
/// <param name="ExhaustedAt">only projected</param>
/// <param name="At">business time</param>
public sealed record ThresholdCrossing(
    Guid Subscription, Guid Plan, CapRule Rule, string Conversation, CapThreshold Threshold, long UsedTokens,
    DateTimeOffset? OpenedAt, DateTimeOffset? ClosesAt, DateTimeOffset? ExhaustedAt, DateTimeOffset At)
{
    /// <summary>The same for the same window, cap and threshold, whoever notices and however often.</summary>
    public Guid Id => Ids.DeriveGuid(
        OpenedAt ?? DateTimeOffset.UnixEpoch, "cap_threshold", Ids.Format(Ids.Subscription, Subscription), Rule.Window.Name(), Conversation,
        (OpenedAt ?? DateTimeOffset.UnixEpoch).ToString("O", CultureInfo.InvariantCulture), Rule.Tokens.ToString(CultureInfo.InvariantCulture),
        Rule.Kinds.ToString("d"), Threshold.ToString("d"));
}

public sealed partial class SubscriptionOwner
{
    private static readonly CapThreshold[] Percents = [CapThreshold.Percent50, CapThreshold.Percent80, CapThreshold.Percent100];
    private RuleWatch[] _watches = [];
    private readonly List<ThresholdCrossing> _crossed = [];
    // Their prompts are used, but their rows wait for a slab: what no row says was not passed, should this owner be lost.
    private readonly List<Generation> _promptsWaiting = [];

    /// <summary>What of one cap's thresholds has been said in the window that is open. Forgotten with the owner: the table knows what was said already.</summary>
    private sealed class RuleWatch
    {
        public DateTimeOffset? OpenedAt { get; set; }
        public int Reached { get; set; }
        public bool Projected { get; set; }
    }

    /// <summary>Begins anew for these caps. What is used may have passed them already, and leave no room for a row that would say so.</summary>
    private void WatchRules(DateTimeOffset business)
    {
        _watches = [.. _rules.Select(_ => new RuleWatch())];
        NoteThresholds(null, business);
        foreach (var conversation in _conversations.Values)
        {
            conversation.Announced = 0;
            NotePassed(conversation, business);
        }
    }

    /// <summary>The tables have been read. Newer terms may have come while they were, when nothing was known to be used.</summary>
    public void NotePassed(Moment at)
    {
        if (Terms is not null) NoteThresholds(null, at.Business);
    }

    private void NotePassed(Conversation conversation, DateTimeOffset business)
    {
        foreach (var rule in _rules)
            if (rule is { Window: CapWindow.Conversation, Tokens: > 0 }) NotePassed(rule, conversation, business);
    }

    private void NotePassed(CapRule rule, Conversation conversation, DateTimeOffset business)
    {
        if (!limits.AnnounceConversations) return;
        var used = conversation.Used.Of(rule.Kinds) - WaitingIn(rule, conversation, null);
        conversation.Announced = Note(rule, conversation.Name, conversation.Announced, used, null, null, business);
    }

    /// <summary>Notes thresholds that were passed. They travel with the next row, and so are durable exactly when usage is; without one they are stored apart.</summary>
    /// <param name="conversation">in which something was used; null if it was in none</param>
    private void NoteThresholds(Conversation? conversation, DateTimeOffset business)
    {
        for (var i = 0; i < _rules.Length; i++)
        {
            var rule = _rules[i];
            if (rule.Tokens == 0) continue;
            if (rule.Window == CapWindow.Conversation)
            {
                if (conversation is not null) NotePassed(rule, conversation, business);
                continue;
            }
            var (opened, closes) = Bounds(rule.Window, Terms!, business);
            var watch = _watches[i];
            if (watch.OpenedAt != opened) (watch.OpenedAt, watch.Reached, watch.Projected) = (opened, 0, false);
            var used = UsedIn(rule.Window, conversation!, business).Of(rule.Kinds) - WaitingIn(rule, conversation, opened);
            watch.Reached = Note(rule, "", watch.Reached, used, opened, closes, business);
            if (!watch.Projected && watch.Reached < Percents.Length && ProjectedEnd(rule, used, opened, closes, business) is { } exhausted)
            {
                watch.Projected = true;
                _crossed.Add(new(Subscription, Terms!.Plan, rule, "", CapThreshold.ProjectedExhaustion, used, opened, closes, exhausted, business));
            }
        }
    }

    /// <summary>Tokens of prompts whose rows are not on their way to the ledger yet.</summary>
    private long WaitingIn(CapRule rule, Conversation? conversation, DateTimeOffset? opened)
    {
        var tokens = 0L;
        if ((rule.Kinds & CountedKinds.Prompt) == 0) return tokens;
        foreach (var generation in _promptsWaiting)
        {
            var row = generation.PromptRow!;
            var counts = rule.Window switch
            {
                CapWindow.Conversation => generation.Conversation == conversation,
                CapWindow.FiveHours => row.FiveHours?.OpenedAt == opened,
                CapWindow.Week => row.Week?.OpenedAt == opened,
                CapWindow.BillingPeriod => row.Period.Start == opened,
            };
            if (counts) tokens += row.Tokens.Of(rule.Kinds);
        }
        return tokens;
    }

    private int Note(CapRule rule, string conversation, int reached, long used, DateTimeOffset? opened, DateTimeOffset? closes, DateTimeOffset business)
    {
        for (; reached < Percents.Length && (Int128)used * 100 >= (Int128)rule.Tokens * (int)Percents[reached]; reached++)
            _crossed.Add(new(Subscription, Terms!.Plan, rule, conversation, Percents[reached], used, opened, closes, null, business));
        return reached;
    }

    /// <summary>When the cap is used up at the average pace of its window; null if that is after it closes, or too early to tell.</summary>
    /// <remarks>It is too early before a tenth of the window has passed and a quarter of the cap is used.</remarks>
    private static DateTimeOffset? ProjectedEnd(CapRule rule, long used, DateTimeOffset? opened, DateTimeOffset? closes, DateTimeOffset business)
    {
        if (opened is not { } from || closes is not { } to) return null;
        var (elapsed, length) = ((business - from).Ticks, (to - from).Ticks);
        if (elapsed < length / 10 || used < rule.Tokens / 4 || used == 0) return null;
        var needed = (Int128)rule.Tokens * elapsed / used;
        return needed < length ? from + TimeSpan.FromTicks((long)needed) : null;
    }

    /// <summary>Something was passed that no row carries: by a correction, or because a cap was lowered.</summary>
    public bool HasCrossings => _crossed.Count > 0;

    /// <summary>Those, to be stored, or given back.</summary>
    public IReadOnlyList<ThresholdCrossing> TakeCrossings() => TakeCrossed();

    /// <summary>They could not be stored: they travel with the next row.</summary>
    public void GiveBack(IReadOnlyList<ThresholdCrossing> crossings) => _crossed.AddRange(crossings);

    /// <summary>A row that should have said these was refused: they are said again as far as they hold without what it used, and else once they do.</summary>
    private void NoteAgain(IReadOnlyList<ThresholdCrossing> unsaid, DateTimeOffset business)
    {
        if (unsaid.Count == 0) return;
        foreach (var crossing in unsaid)
            if (Array.IndexOf(_rules, crossing.Rule) is var i and >= 0) (_watches[i].Reached, _watches[i].Projected) = (0, false);
        NoteThresholds(null, business);
        foreach (var name in unsaid.Select(c => c.Conversation).Distinct())
        {
            if (!_conversations.TryGetValue(name, out var conversation)) continue;
            conversation.Announced = 0;
            NotePassed(conversation, business);
        }
    }

    private ThresholdCrossing[] TakeCrossed()
    {
        if (_crossed.Count == 0) return [];
        ThresholdCrossing[] crossed = [.. _crossed];
        _crossed.Clear();
        return crossed;
    }
}
