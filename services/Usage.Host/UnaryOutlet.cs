using Contracts.Usage.V1;
using Usage.Host.Owners;

namespace Usage.Host;

/// <summary>Gathers the answers to one unary call until the one that ends it has come.</summary>
/// <param name="ends">the frame that the caller waits for</param>
public sealed class UnaryOutlet(Func<MeterFrame, bool> ends) : Outlet
{
    private readonly Lock _gate = new();
    private readonly List<MeterFrame> _frames = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public override bool IsGone => _ended.Task.IsCompleted;

    public override bool AwaitsAnswer => !IsGone;

    public override void Send(MeterFrame frame)
    {
        lock (_gate)
        {
            // A call that was answered keeps its generation's outlet until the next one speaks; it must not gather for ever.
            if (_ended.Task.IsCompleted) return;
            _frames.Add(frame);
            if (ends(frame)) _ended.TrySetResult();
        }
    }

    public override void OwnerMoved() => _ended.TrySetException(Owners.OwnerMoved.AsException());

    /// <exception cref="RefusedException">owner_moved: ask again, where the owner is now</exception>
    /// <exception cref="StoreNotReadyException">The answer did not come in time; what was said may still be committed.</exception>
    public async Task<IReadOnlyList<MeterFrame>> AnswersAsync(TimeSpan within, CancellationToken ct)
    {
        try { await _ended.Task.WaitAsync(within, ct); }
        catch (TimeoutException) { throw new StoreNotReadyException(); }
        finally { _ended.TrySetCanceled(CancellationToken.None); } // whoever leaves waits no longer
        lock (_gate) return [.. _frames];
    }
}
