using Billing.Periods;
using static Billing.Tests.Some;

namespace Billing.Tests.Periods;

public sealed class ApplyReportTests
{
    private static readonly Dictionary<string, KnownPeriod> Periods = new()
    {
        [January] = new(January, Subscription, Feb1), [February] = new(February, Subscription, Mar1),
    };

    private static Decision<PeriodUsage> Decide(params ReportedLine[] lines) =>
        ApplyReportDecision.Decide(new UsageReport(3, 7, 1, 1, "", [""], "ab", Jan1, lines.ToValueList()), Periods,
            new Dictionary<string, ValueList<string>> { [Subscription] = [Small, Metered] });

    private static ReportedLine Line(string period, string kind, long tokens, string? subscription = null, string? plan = null) =>
        new(subscription ?? Subscription, period, plan ?? Small, kind, tokens);

    [Fact]
    public void A_report_becomes_one_event_in_each_period_it_speaks_of() => Assert.Equal(
        [
            (January, new UsageApplied(3, 7, [Tokens(Small, TokenKind.Input, 5), Tokens(Small, TokenKind.Output, 30)], Jan1, "ab")),
            (February, new UsageApplied(3, 7, [Tokens(Small, TokenKind.Overrun, 2)], Jan1, "ab")),
        ],
        Decide(Line(February, "overrun", 2), Line(January, "output", 10), Line(January, "input", 5), Line(January, "output", 20)).Events
            .Select(u => (u.Period.PeriodId, u.Event)).OrderBy(u => u.PeriodId == February));

    public static TheoryData<string, ReportedLine> Unplaceable => new()
    {
        { "period_unknown", Line(Ids.Derive(Ids.Period, Jan1, "other"), "output", 1) },
        { "subscription_mismatch", Line(January, "output", 1, subscription: Ids.Derive(Ids.Subscription, Jan1, "other")) },
        { "plan_unknown", Line(January, "output", 1, plan: Ids.Derive(Ids.Plan, Jan1, "other")) },
        { "plan_unknown", Line(January, "output", 1, plan: Ids.Derive(Ids.Plan, Jan1, "on the menu, and never theirs")) },
        { "kind_unknown", Line(January, "thoughts", 1) },
    };

    [Theory, MemberData(nameof(Unplaceable))]
    public void A_line_that_cannot_be_placed_refuses_the_whole_report(string code, ReportedLine line)
    {
        var decision = Decide(Line(January, "output", 10), line);
        Assert.Equal(code, decision.Refused?.Code);
        Assert.Empty(decision.Events);
    }
}
