using Usage.Host;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// A runtime reconnects and resumes while the service still reads frames of the broken stream. Each of them took the generation's answers
/// back to the stream that nobody read, and the runtime waited for ever for an acknowledgement that had been given.
/// </summary>
public class AcknowledgementsWentToABrokenStream
{
    private static readonly OwnerCell AnyCell = null!;

    [Fact]
    public void A_frame_left_over_from_the_older_stream_leaves_the_answers_with_the_newer()
    {
        var (older, newer) = (new StreamOutlet(10, CancellationToken.None), new StreamOutlet(10, CancellationToken.None));
        var route = new Route(AnyCell, older);
        route.Heard(newer);
        route.Heard(older);
        Assert.Same(newer, route.Outlet);
    }

    [Fact]
    public void A_start_left_over_from_the_broken_stream_does_not_take_them_either_but_one_on_a_living_stream_does()
    {
        using var connection = new CancellationTokenSource();
        var (older, newer) = (new StreamOutlet(10, connection.Token), new StreamOutlet(10, CancellationToken.None));
        var route = new Route(AnyCell, newer);
        route.Started(older);
        Assert.Same(older, route.Outlet);
        route.Started(newer);
        connection.Cancel();
        route.Started(older);
        Assert.Same(newer, route.Outlet);
    }

    [Fact]
    public void An_older_stream_that_is_still_there_takes_over_when_the_newer_is_gone()
    {
        using var connection = new CancellationTokenSource();
        var (older, newer) = (new StreamOutlet(10, CancellationToken.None), new StreamOutlet(10, connection.Token));
        var route = new Route(AnyCell, newer);
        route.Heard(older);
        Assert.Same(newer, route.Outlet);
        connection.Cancel();
        route.Heard(older);
        Assert.Same(older, route.Outlet);
    }
}
