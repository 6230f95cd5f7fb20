using Contracts.Usage.V1;
using Microsoft.Extensions.Logging.Abstractions;
using Usage.Host.Cluster;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// Each subscription of a stream whose owner is elsewhere could have as many frames waiting as one may: a stream with thousands of them, to an instance that does
/// not answer, filled the memory of the one that it was opened to.
/// </summary>
public sealed class Frames_for_owners_elsewhere_had_no_bound_of_their_stream
{
    [Fact]
    public async Task They_wait_together_and_what_a_lane_leaves_behind_holds_up_no_other()
    {
        using var places = new SemaphoreSlim(3);
        var (first, second) = (Open(places), Open(places));
        await first.AddAsync(Frame(1), CancellationToken.None);
        await first.AddAsync(Frame(2), CancellationToken.None);
        await second.AddAsync(Frame(1), CancellationToken.None);
        var fourth = second.AddAsync(Frame(2), CancellationToken.None).AsTask();
        Assert.False(fourth.IsCompleted);

        await first.RunAsync();
        await fourth;
        Assert.Equal(1, places.CurrentCount);
        // After its end nothing is kept of what is still added.
        await first.AddAsync(Frame(3), CancellationToken.None);
        Assert.Equal(1, places.CurrentCount);
    }

    /// <summary>A lane of a process that is being shut down: it finds no owner, and ends.</summary>
    private static Lane Open(SemaphoreSlim places) => new(
        () => throw new ObjectDisposedException("the silo"), new FrameBatch(Guid.Empty, 0, null!, 0, 0, [], false, false), places, new Runtime(), _ => { }, NullLogger.Instance);

    private static RuntimeFrame Frame(long sequence) => new() { Chunk = Samples.Chunk("g", sequence, sequence) };

    private sealed class Runtime : Outlet
    {
        public override bool IsGone => false;
        public override void Send(MeterFrame frame) { }
        public override void OwnerMoved() { }
    }
}
