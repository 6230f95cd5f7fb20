using Usage.Caps;
using Usage.Metering;

namespace Usage.Tests.Issues;

/// <summary>An owner whose clock was behind that of the one before it could take the window before the last for the one that is open: what is used in the last was forgotten.</summary>
public sealed class A_window_was_opened_again
{
    [Theory, InlineData(true), InlineData(false)]
    public void The_newest_window_is_the_current_one_whatever_the_clock_says_and_in_whatever_order_they_are_read(bool oldestFirst)
    {
        var turn = OwnerScene.Jan1.AddHours(5);
        var (old, current) = (OpenWindow.Open(CapWindow.FiveHours, OwnerScene.Jan1), OpenWindow.Open(CapWindow.FiveHours, turn));
        var owner = new SubscriptionOwner(OwnerScene.Subscription, OwnerScene.Limits);
        foreach (var (window, used) in oldestFirst ? new[] { (old, 200), (current, 250) } : [(current, 250), (old, 200)]) owner.LoadWindow(window, new Tally(0, 0, 0, used, 0));
        owner.ChangeTerms(OwnerScene.Terms(1, Cap.Hard(CapWindow.FiveHours, 300)), At(turn.AddSeconds(-2)), []);
        foreach (var at in new[] { turn.AddSeconds(-2), turn })
            Assert.Equal((250, turn), (owner.Balance(null, At(at))[0].UsedTokens, owner.Balance(null, At(at))[0].OpenedAt));
    }

    private static Moment At(DateTimeOffset at) => new(at, at);
}
