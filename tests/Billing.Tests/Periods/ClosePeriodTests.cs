using Billing.Periods;
using static Billing.Tests.Some;

namespace Billing.Tests.Periods;

public sealed class ClosePeriodTests
{
    private static readonly ValueList<ReportHead> Cut = [new(3, 9)];
    private static readonly DateTimeOffset FebruaryCloses = Mar1 + Grace;

    private static ClosePeriod Command(DateTimeOffset at, PeriodState? previous = null, params PeriodState.Closed[] earlier) =>
        new(previous ?? PeriodState.Initial, earlier, Cut, Grace, at);

    [Fact]
    public void A_period_closes_when_its_grace_is_over() =>
        APeriod.Given(Opened(Small)).When(s => ClosePeriodDecision.Decide(Command(Feb1 + Grace), s)).Then(new PeriodClosed(Cut, Feb1 + Grace));

    [Fact]
    public void A_period_does_not_close_within_its_grace() =>
        APeriod.Given(Opened(Small)).When(s => ClosePeriodDecision.Decide(Command(Feb1 + Grace - TimeSpan.FromTicks(1)), s)).ThenRefused("period_not_over");

    [Fact]
    public void Periods_close_in_order() =>
        APeriod.Given(Opened(Small, 1)).When(s => ClosePeriodDecision.Decide(Command(FebruaryCloses, PeriodAfter(Opened(Small))), s)).ThenRefused("previous_period_open");

    [Fact]
    public void A_period_that_was_never_opened_is_refused() =>
        APeriod.When(s => ClosePeriodDecision.Decide(Command(FebruaryCloses), s)).ThenRefused("period_unknown");

    [Fact]
    public void B3_late_usage_goes_on_the_next_invoice_with_what_was_billed_before()
    {
        var january = (PeriodState.Closed)PeriodAfter(
            Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 900)), Closed(), Usage(10, Tokens(Metered, TokenKind.Output, 300)));
        APeriod.Given(Opened(Metered, 1)).When(s => ClosePeriodDecision.Decide(Command(FebruaryCloses, january, january), s)).Then(
            new LateUsageAdded(January, Menu, 0, Jan1, Feb1, 4, [Tokens(Metered, TokenKind.Output, 900)], [Tokens(Metered, TokenKind.Output, 300)], FebruaryCloses),
            new PeriodClosed(Cut, FebruaryCloses));
    }

    [Fact]
    public void B3_late_usage_is_carried_once()
    {
        PeriodEvent[] late = [Opened(Metered), Closed(), Usage(10, Tokens(Metered, TokenKind.Output, 300))];
        APeriod.Given(late).When(s => CarryLateUsageDecision.Decide(new(February, FebruaryCloses), s)).Then(new LateUsageCarried(February, 3, FebruaryCloses));
    }

    [Fact]
    public void Usage_after_late_usage_was_carried_is_late_again_and_knows_what_was_billed()
    {
        var january = (PeriodState.Closed)PeriodAfter(
            Opened(Metered), Usage(1, Tokens(Metered, TokenKind.Output, 900)), Closed(), Usage(10, Tokens(Metered, TokenKind.Output, 300)),
            new LateUsageCarried(February, 4, FebruaryCloses), Usage(11, Tokens(Metered, TokenKind.Output, 50)));
        Assert.Equal([Tokens(Metered, TokenKind.Output, 1_200)], january.Billed);
        Assert.Equal([Tokens(Metered, TokenKind.Output, 50)], january.Late);
        Assert.Equal([Tokens(Metered, TokenKind.Output, 900)], january.Facts.Usage);
    }

    [Fact]
    public void An_event_that_cannot_follow_stops_the_fold() => Assert.Throws<System.Diagnostics.UnreachableException>(() => PeriodAfter(Closed()));
}
