using Contracts.Usage.V1;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// A unary call was repeated while the first attempt still waited for its grant or its commit. The answer went to the repeat alone; the first
/// waited until its time was over, and was then told that the database did not answer.
/// </summary>
public class TheSameCallTwiceLeftTheFirstWithoutAnswer
{
    private static readonly OwnerCell AnyCell = null!;
    private static readonly MeterFrame Grant = new() { Grant = new() { TokensAllowed = 256 } };
    private static readonly MeterFrame Rejection = new() { Rejection = new() };

    [Fact]
    public void Calls_that_wait_for_the_same_are_answered_together_and_then_forgotten()
    {
        var (first, second, stream) = (Call(), Call(), new StreamOutlet(10, CancellationToken.None));
        var route = new Route(AnyCell, first);
        route.Heard(second);
        route.Started(stream);
        Assert.Equal(3, route.Listeners.Count());
        route.Send(Grant);
        Assert.True(first.IsGone && second.IsGone);
        Assert.Same(stream, Assert.Single(route.Listeners));
    }

    [Fact]
    public void An_older_call_that_speaks_again_is_answered_too_and_what_was_said_wrong_by_another_is_not_its_fault()
    {
        var (older, newer) = (Call(), Call());
        var route = new Route(AnyCell, newer);
        route.Heard(older);
        Assert.Same(newer, route.Outlet);
        route.Outlet.Send(Rejection);
        Assert.True(newer.IsGone && !older.IsGone);
        route.Send(Grant);
        Assert.True(older.IsGone);
    }

    private static UnaryOutlet Call() => new(f => f.Grant is not null || f.Rejection is not null);
}
