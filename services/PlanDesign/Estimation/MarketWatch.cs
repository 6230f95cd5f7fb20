using System.Globalization;

namespace PlanDesign.Estimation;

/// <summary>How many had seen the menu and bought nothing by the time of a look: only from there on can those of a later time be counted.</summary>
public sealed record WatchCount(DateTimeOffset At, long WithoutPlan);

/// <summary>What a watch remembers from one look to the next. Business time.</summary>
/// <param name="From">When the menu went on sale.</param>
/// <param name="Until">The end of the time that later ones are compared with.</param>
/// <param name="WithoutPlan">How many had seen the menu and bought nothing by then; null where nobody counts them.</param>
/// <param name="HasEnough">That time has enough to compare with, and ends there for good.</param>
/// <param name="Counts">Of looks since, ascending; empty where nobody counts those who buy nothing.</param>
public sealed record WatchedTime(DateTimeOffset From, DateTimeOffset Until, long? WithoutPlan, bool HasEnough, IReadOnlyList<WatchCount> Counts)
{
    public static WatchedTime Begin(DateTimeOffset onSaleFrom, bool counted) => new(onSaleFrom, onSaleFrom, counted ? 0 : null, false, []);
}

/// <summary>Where a watch sees the market. A time is from the first moment, inclusive, to the second, exclusive.</summary>
/// <param name="Conversations">Those whose last activity was in a time.</param>
/// <param name="Choices">The plans of the menu on sale, and how many customers chose each in a time.</param>
public sealed record WatchSource(
    Func<DateTimeOffset, DateTimeOffset, Task<IReadOnlyList<ObservedConversation>>> Conversations, Func<DateTimeOffset, DateTimeOffset, Task<IReadOnlyList<PlanBought>>> Choices,
    double TokensPerSecond, double ValuePerAnswer, double ServingCostPerToken);

/// <summary>What one look found.</summary>
/// <param name="Time">To remember for the next look.</param>
/// <param name="Seen">What was looked at.</param>
/// <param name="Adaptation">Null where there is nothing yet to compare with.</param>
/// <param name="ConversationsFrom">Where the recent time begins, of conversations and of choices.</param>
public sealed record WatchFinding(WatchedTime Time, MarketObservations Seen, MenuAdaptation? Adaptation, DateTimeOffset ConversationsFrom, DateTimeOffset ChoicesFrom)
{
    /// <summary>What was found and when it was seen: what a person reads before she publishes a draft.</summary>
    public string Sentence => Adaptation is { } found
        ? string.Create(CultureInfo.InvariantCulture,
            $"{found.Evidence}. Looked at conversations since {ConversationsFrom:yyyy-MM-dd HH:mm'Z'} and choices since {ChoicesFrom:yyyy-MM-dd HH:mm'Z'}; compared with {Time.From:yyyy-MM-dd HH:mm'Z'} to {Time.Until:yyyy-MM-dd HH:mm'Z'}")
        : string.Create(CultureInfo.InvariantCulture, $"remembered {Seen.Conversations.Count:#,0} conversations and {Seen.Menus[0].Customers:#,0} customers to compare with")
            + (MarketWatch.IsEnough(Seen) ? "" : $", and goes on: that takes {MarketEstimation.AnswersMin} answered conversations and {MarketEstimation.CustomersMin} customers");
}

/// <summary>
/// Which times are compared at a look, and what is learned from. The menu's first time on sale, which grows from look to look until a market could be estimated from it
/// (<see cref="MarketEstimation.AnswersMin"/>, <see cref="MarketEstimation.CustomersMin"/>): one that is shorter could not find anything moved. Then the most recent time, not
/// everything since: a shift is not thinned by what came before it, and nothing is learned from a mixture of two markets for longer than a window.
/// </summary>
public static class MarketWatch
{
    /// <summary>Four weeks: every day of the week is in it as often, and a shift is all of it after as long.</summary>
    public static readonly TimeSpan WindowDefault = TimeSpan.FromDays(28);

    /// <summary>Those who bought nothing are remembered so many times in a window, however often it is looked.</summary>
    private const int CountsPerWindow = 28;

    /// <param name="withoutPlan">How many have seen the menu and bought nothing until now; null where nobody counts them.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public static async Task<WatchFinding> LookAsync(
        WatchedTime time, DateTimeOffset now, long? withoutPlan, WatchSource source, EstimationOptions estimation, Screening.SolveOptions solving, AdaptationOptions options, CancellationToken cancellation = default)
    {
        var before = time.Until > time.From ? await Observe(source, time.From, time.Until, time.WithoutPlan) : null;
        if (!time.HasEnough && (before is null || !IsEnough(before)))
            return new(time with { Until = now, WithoutPlan = withoutPlan }, await Observe(source, time.From, now, withoutPlan), null, time.From, time.From);

        // Where few are new, their choices are looked for further back than conversations, whose lengths may move meanwhile.
        var (conversations, conversationsFrom) = await Recent(time, now, options.Window, async from => await source.Conversations(from.At, now), HasEnoughAnswers);
        var (menu, choicesFrom) = await Recent(time, now, options.Window,
            async from => new ObservedMenu(await source.Choices(from.At, now), withoutPlan - from.WithoutPlan), m => m.Customers >= MarketEstimation.CustomersMin);
        var seen = Of(source, conversations, menu);
        var found = MenuAdaptation.Of(before!, seen, [.. menu.Plans.Select(p => p.Offer)], estimation, solving, options, cancellation);
        return new(Remember(time, now, withoutPlan, options.Window), seen, found, conversationsFrom, choicesFrom);
    }

    internal static bool IsEnough(MarketObservations seen) => HasEnoughAnswers(seen.Conversations) && seen.Menus.Sum(m => m.Customers) >= MarketEstimation.CustomersMin;

    private static bool HasEnoughAnswers(IReadOnlyList<ObservedConversation> conversations) => conversations.Count(c => !c.Cut) >= MarketEstimation.AnswersMin;

    /// <summary>The last window, or the last 2, 4, 8 … until there is enough, but nothing of the time that is compared with.</summary>
    private static async Task<(T Seen, DateTimeOffset From)> Recent<T>(
        WatchedTime time, DateTimeOffset now, TimeSpan window, Func<(DateTimeOffset At, long? WithoutPlan), Task<T>> observe, Func<T, bool> isEnough)
    {
        for (var span = window; ; span *= 2)
        {
            var from = Start(time, now, span);
            var seen = await observe(from);
            if (from.At == time.Until || isEnough(seen)) return (seen, from.At);
        }
    }

    /// <summary>Where those who buy nothing are counted, at a look: they are known at no other time.</summary>
    private static (DateTimeOffset At, long? WithoutPlan) Start(WatchedTime time, DateTimeOffset now, TimeSpan span)
    {
        if (now - time.Until <= span) return (time.Until, time.WithoutPlan);
        if (time.WithoutPlan is null) return (now - span, null);
        return time.Counts.LastOrDefault(c => now - c.At >= span) is { } count ? (count.At, count.WithoutPlan) : (time.Until, time.WithoutPlan);
    }

    private static WatchedTime Remember(WatchedTime time, DateTimeOffset now, long? withoutPlan, TimeSpan window)
    {
        var last = time.Counts.Count > 0 ? time.Counts[^1].At : time.Until;
        return withoutPlan is { } without && now - last >= window / CountsPerWindow
            ? time with { HasEnough = true, Counts = [.. time.Counts, new(now, without)] }
            : time with { HasEnough = true };
    }

    private static async Task<MarketObservations> Observe(WatchSource source, DateTimeOffset from, DateTimeOffset to, long? withoutPlan) =>
        Of(source, await source.Conversations(from, to), new(await source.Choices(from, to), withoutPlan));

    private static MarketObservations Of(WatchSource source, IReadOnlyList<ObservedConversation> conversations, ObservedMenu menu) =>
        new(conversations, [menu], source.TokensPerSecond, source.ValuePerAnswer, source.ServingCostPerToken);
}
