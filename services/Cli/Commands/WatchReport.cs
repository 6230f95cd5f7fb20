using System.Globalization;
using PlanDesign;
using PlanDesign.Estimation;

namespace Cli.Commands;

/// <summary>What one look of <c>billing menu watch --json</c> prints, a line each. Fields may be added, never renamed.</summary>
/// <param name="Decision">remembered, keep_menu, draft_menu or cannot_tell</param>
/// <param name="Conversations">In the time that was looked at.</param>
/// <param name="Customers">Who chose a plan in it.</param>
/// <param name="Outcome">Of the estimate; absent where nothing was estimated.</param>
/// <param name="Gain">Of profit over the running menu, money per conversation; absent where no menu was solved.</param>
/// <param name="Times">What was looked at and what it was compared with; absent where nothing was compared.</param>
/// <param name="DraftedMenuId">The draft that waits for a person, of this look or of an earlier one.</param>
public sealed record WatchReport(
    DateTimeOffset At, string MenuId, string Decision, string Sentence, long Conversations, long Customers, TestReport? Lengths = null, TestReport? PlanShares = null,
    string? Outcome = null, IntervalReport? Gain = null, IReadOnlyList<PlanReport>? Tiers = null, string? DraftedMenuId = null,
    TimesReport? Times = null)
{
    public static WatchReport Of(DateTimeOffset at, string menuId, WatchFinding look)
    {
        var (conversations, customers) = (look.Seen.Conversations.Count, look.Seen.Menus.Sum(m => m.Customers));
        return look.Adaptation is { } found ? Of(at, menuId, look, found, conversations, customers) : new(at, menuId, "remembered", look.Sentence, conversations, customers);
    }

    private static WatchReport Of(DateTimeOffset at, string menuId, WatchFinding look, MenuAdaptation found, long conversations, long customers) => new(
        at, menuId, Snake(found.Decision.ToString()), look.Sentence, conversations, customers, TestReport.Of(found.Drift.Lengths), TestReport.Of(found.Drift.PlanShares),
        found.Estimate is { } e ? Snake(e.Outcome.ToString()) : null,
        found.Next is { Menu.IsUsable: true } n ? new(n.ProfitDifference.Estimate, EstimateReport.Finite(n.ProfitDifference.Low), EstimateReport.Finite(n.ProfitDifference.High)) : null,
        found.Next is { Menu.IsUsable: true } m ? [.. m.Menu.Tiers.Select(t => new PlanReport(t.CapTokens, t.PricePerConversation, t.Share))] : null,
        Times: new(look.Time.From, look.Time.Until.At, look.ConversationsFrom, look.ChoicesFrom));

    public string ToLine() => $"{At.ToString("yyyy-MM-dd HH:mm'Z'", CultureInfo.InvariantCulture)}  {Sentence}";

    public string ToJson() => ReportJson.Write(this, indented: false);

    internal static readonly string[] CsvHeader =
        ["at", "menu", "decision", "conversations", "customers", "lengths_p", "plan_shares_p", "threshold", "gain", "gain_low", "gain_high", "drafted_menu", "sentence"];

    internal object?[] ToCsv() =>
    [
        At.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture), MenuId, Decision, Conversations, Customers, Lengths?.PValue, PlanShares?.PValue, Lengths?.Threshold,
        Gain?.Estimate, Gain?.Low, Gain?.High, DraftedMenuId, Sentence,
    ];

    private static string Snake(string name) => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}

/// <param name="Threshold">The market is found to have moved below it; both tests together alarm for nothing twice as often as this says.</param>
public sealed record TestReport(double Statistic, int DegreesOfFreedom, double PValue, double Threshold, bool IsDrift)
{
    public static TestReport Of(DriftFinding f) => new(f.Statistic, f.DegreesOfFreedom, f.PValue, f.Threshold, f.IsDrift);
}

/// <param name="ComparedFrom">The time that was compared with; what was learned from goes from the other two to the look.</param>
public sealed record TimesReport(DateTimeOffset ComparedFrom, DateTimeOffset ComparedUntil, DateTimeOffset ConversationsFrom, DateTimeOffset ChoicesFrom);
