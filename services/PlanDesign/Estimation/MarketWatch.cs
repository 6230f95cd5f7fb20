using System.Globalization;

namespace PlanDesign.Estimation;

/// <summary>A moment at which it was looked.</summary>
/// <param name="WithoutPlan">How many had seen the menu and bought nothing by then; null where nobody counts them. It is known at looks only.</param>
public sealed record WatchMark(DateTimeOffset At, long? WithoutPlan);

/// <summary>What a watch remembers from one look to the next. Business time.</summary>
/// <param name="From">When the menu went on sale.</param>
/// <param name="Until">The end of the time that later ones are compared with.</param>
public sealed record WatchedTime(DateTimeOffset From, WatchMark Until)
{
    /// <summary>The time until then has enough to compare with, and ends there for good.</summary>
    public bool HasEnough { get; init; }

    /// <summary>Of looks since, ascending; empty where nobody counts those who buy nothing.</summary>
    public IReadOnlyList<WatchMark> Marks { get; init; } = [];

    /// <summary>The look that found the market moved, and every one since did; null while it is found to stand still.</summary>
    public WatchMark? MovedAt { get; init; }

    /// <summary>The menu was held against an estimate of the market that it is sold in.</summary>
    public bool IsJudged { get; init; }

    public static WatchedTime Begin(DateTimeOffset onSaleFrom, bool counted) => new(onSaleFrom, new WatchMark(onSaleFrom, counted ? 0 : null));
}

/// <summary>Where a watch sees the market. A time is from the first moment, inclusive, to the second, exclusive.</summary>
/// <param name="Conversations">Those whose last activity was in a time.</param>
/// <param name="Choices">The plans of the menu on sale, and how many customers chose each in a time.</param>
public sealed record WatchSource(
    Func<DateTimeOffset, DateTimeOffset, Task<IReadOnlyList<ObservedConversation>>> Conversations, Func<DateTimeOffset, DateTimeOffset, Task<IReadOnlyList<PlanBought>>> Choices,
    double TokensPerSecond, double ValuePerAnswer, double ServingCostPerToken)
{
    internal async Task<MarketObservations> Observe(WatchMark from, WatchMark to) => Of(await Conversations(from.At, to.At), await Menu(from, to));

    internal async Task<ObservedMenu> Menu(WatchMark from, WatchMark to) => new(await Choices(from.At, to.At), to.WithoutPlan - from.WithoutPlan);

    internal MarketObservations Of(IReadOnlyList<ObservedConversation> conversations, ObservedMenu menu) => new(conversations, [menu], TokensPerSecond, ValuePerAnswer, ServingCostPerToken);
}

/// <summary>What one look found.</summary>
/// <param name="Time">To remember for the next look.</param>
/// <param name="Seen">What was learned from, or remembered.</param>
/// <param name="Adaptation">Null where there is nothing yet to compare with.</param>
/// <param name="ConversationsFrom">Where the time that was learned from begins, of conversations and of choices.</param>
public sealed record WatchFinding(WatchedTime Time, MarketObservations Seen, MenuAdaptation? Adaptation, DateTimeOffset ConversationsFrom, DateTimeOffset ChoicesFrom)
{
    /// <summary>What was found and when it was seen: what a person reads before she publishes a draft.</summary>
    public string Sentence => Adaptation is { } found
        ? string.Create(CultureInfo.InvariantCulture,
            $"{found.Evidence}. Looked at conversations since {ConversationsFrom:yyyy-MM-dd HH:mm'Z'} and choices since {ChoicesFrom:yyyy-MM-dd HH:mm'Z'}; compared with {Time.From:yyyy-MM-dd HH:mm'Z'} to {Time.Until.At:yyyy-MM-dd HH:mm'Z'}")
        : string.Create(CultureInfo.InvariantCulture, $"remembered {Seen.Conversations.Count:#,0} conversations and {Seen.Menus[0].Customers:#,0} customers to compare with")
            + (MarketWatch.IsEnough(Seen) ? "" : $", and goes on: {MarketWatch.EnoughSentence}");
}

/// <summary>
/// Which times are compared at a look, and what is learned from. The menu's first time on sale, which grows from look to look until a market could be estimated from it
/// (<see cref="MarketEstimation.AnswersMin"/>, <see cref="MarketEstimation.CustomersMin"/>): one that is shorter could not find anything moved. Then the most recent time, not
/// everything since: a shift is not thinned by what came before it. Where the market moved, it is learned only from what comes after the look that found it: choices made under
/// other lengths, pooled with those of now, make a menu that surely seems better and is worse. And once a menu was on sale for a window it is held against an estimate, drift or not:
/// what it was solved from may never have been so, and comparing two times of its own market cannot tell.
/// </summary>
public static class MarketWatch
{
    /// <summary>Four weeks: every day of the week is in it as often.</summary>
    public static readonly TimeSpan WindowDefault = TimeSpan.FromDays(28);

    /// <summary>Those who bought nothing are remembered so many times in a window, however often it is looked.</summary>
    private const int MarksPerWindow = 28;

    internal static string EnoughSentence => $"that takes {MarketEstimation.AnswersMin} answered conversations and {MarketEstimation.CustomersMin} customers";

    /// <param name="withoutPlan">How many have seen the menu and bought nothing until now; null where nobody counts them.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static async Task<WatchFinding> LookAsync(
        WatchedTime time, DateTimeOffset now, long? withoutPlan, WatchSource source, EstimationOptions estimation, Screening.SolveOptions solving, AdaptationOptions options, CancellationToken cancellation = default)
    {
        var (onSale, look) = (new WatchMark(time.From, time.Until.WithoutPlan is null ? null : 0), new WatchMark(now, withoutPlan));
        var before = time.Until.At > time.From ? await source.Observe(onSale, time.Until) : null;
        if (!time.HasEnough && (before is null || !IsEnough(before)))
            return new(time with { Until = look }, await source.Observe(onSale, look), null, time.From, time.From);

        // Where few are new, their choices are looked for further back than conversations.
        var (conversations, conversationsFrom) = await Recent(time, now, options.Window, async from => await source.Conversations(from.At, now), HasEnoughAnswers);
        var (menu, choicesFrom) = await Recent(time, now, options.Window, from => source.Menu(from, look), m => m.Customers >= MarketEstimation.CustomersMin);
        var seen = source.Of(conversations, menu);
        var drift = DriftTest.Of(before!, seen, options.Level);
        var next = Remember(time, look, options.Window) with { MovedAt = drift.IsDrift ? time.MovedAt ?? look : null };
        // Conversations and choices each: where few are new, their choices reach back further.
        if (next.MovedAt is { } moved && (moved.At > conversationsFrom || moved.At > choicesFrom))
        {
            var since = source.Of(
                moved.At > conversationsFrom ? await source.Conversations(moved.At, now) : conversations, moved.At > choicesFrom ? await source.Menu(moved, look) : menu);
            if (!IsEnough(since) && now - moved.At < options.Window)
                return new(next, seen, new(AdaptationDecision.CannotTell, $"the market moved, and what it is now is learned from what comes after that was found: {EnoughSentence}. {drift.Sentence}", drift, null, null), conversationsFrom, choicesFrom);
            (seen, conversationsFrom, choicesFrom) = (since, Later(moved.At, conversationsFrom), Later(moved.At, choicesFrom));
        }
        var due = options.IsDue || (!time.IsJudged && now - time.From >= options.Window);
        var found = MenuAdaptation.Of(drift, before!, seen, [.. menu.Plans.Select(p => p.Offer)], estimation, solving, options with { IsDue = due }, cancellation);
        return new(next with { IsJudged = time.IsJudged || found.Estimate is { IsEstimated: true } }, seen, found, conversationsFrom, choicesFrom);
    }

    private static DateTimeOffset Later(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;

    internal static bool IsEnough(MarketObservations seen) => HasEnoughAnswers(seen.Conversations) && seen.Menus.Sum(m => m.Customers) >= MarketEstimation.CustomersMin;

    private static bool HasEnoughAnswers(IReadOnlyList<ObservedConversation> conversations) => conversations.Count(c => !c.Cut) >= MarketEstimation.AnswersMin;

    /// <summary>The last window, or the last 2, 4, 8 … until there is enough, but nothing of the time that is compared with.</summary>
    private static async Task<(T Seen, DateTimeOffset From)> Recent<T>(WatchedTime time, DateTimeOffset now, TimeSpan window, Func<WatchMark, Task<T>> observe, Func<T, bool> isEnough)
    {
        for (var span = window; ; span *= 2)
        {
            var from = Start(time, now, span);
            var seen = await observe(from);
            if (from == time.Until || isEnough(seen)) return (seen, from.At);
        }
    }

    /// <summary>Where those who buy nothing are counted, at a look: they are known at no other time.</summary>
    private static WatchMark Start(WatchedTime time, DateTimeOffset now, TimeSpan span) =>
        now - time.Until.At <= span ? time.Until
        : time.Until.WithoutPlan is null ? new(now - span, null)
        : time.Marks.LastOrDefault(m => now - m.At >= span) ?? time.Until;

    private static WatchedTime Remember(WatchedTime time, WatchMark look, TimeSpan window)
    {
        var last = time.Marks.Count > 0 ? time.Marks[^1].At : time.Until.At;
        var marked = look.WithoutPlan is not null && look.At - last >= window / MarksPerWindow;
        return time with { HasEnough = true, Marks = marked ? [.. time.Marks, look] : time.Marks };
    }
}
