using Billing.Dunning;
using Billing.Sellers;
using static Billing.Tests.Some;

namespace Billing.Tests.Dunning;

public sealed class DunningScheduleTests
{
    private static readonly DunningSchedule Schedule = new([1, 3, 7, 14], 21, DunningFinalAction.CancelSubscription);

    private static Scenario<SellerState, SellerEvent> TheSeller => new(SellerState.Initial, SellerState.Evolve);
    private static Decision<SellerEvent> Set(DunningSchedule? schedule, SellerState s) => SetDunningScheduleDecision.Decide(new(schedule, Feb1), s);

    [Fact] public void B5_a_schedule_is_set_once() => TheSeller.When(s => Set(Schedule, s)).Then(new DunningScheduleSet(Schedule, Feb1));
    [Fact] public void Without_one_there_is_none_to_end() => TheSeller.When(s => Set(null, s)).ThenNothing();
    [Fact] public void A_schedule_can_be_ended() => TheSeller.Given(new DunningScheduleSet(Schedule, Jan1)).When(s => Set(null, s)).Then(new DunningScheduleSet(null, Feb1));

    [Theory, InlineData(new int[0], 21), InlineData(new[] { 3, 1 }, 21), InlineData(new[] { 3, 3 }, 21), InlineData(new[] { -1 }, 21), InlineData(new[] { 1, 21 }, 21), InlineData(new[] { 1 }, 366)]
    public void Days_that_do_not_follow_each_other_are_refused(int[] days, int finalDay) =>
        TheSeller.When(s => Set(new(days.ToValueList(), finalDay, DunningFinalAction.None), s)).ThenRefused("dunning_schedule_invalid");

    [Fact]
    public void The_words_of_actions_are_read_as_they_are_written() =>
        Assert.All(Enum.GetValues<DunningFinalAction>(), a => Assert.Equal(a, DunningWords.ParseAction(a.Name())));
}
