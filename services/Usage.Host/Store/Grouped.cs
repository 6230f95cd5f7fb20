using System.Threading.Channels;

namespace Usage.Host.Store;

/// <summary>
/// Does what is asked in groups without a timer: what is queued goes in one round trip, and what queues up meanwhile in the next. One
/// round trip at a time, so that a slow database is met with larger groups and not with more connections.
/// </summary>
public sealed class Grouped<T>(int groupMax, Func<IReadOnlyList<T>, Task> perform)
{
    private readonly Channel<(T Item, TaskCompletionSource? Barrier)> _queue =
        Channel.CreateUnbounded<(T, TaskCompletionSource?)>(new UnboundedChannelOptions { SingleReader = true });
    private int _waiting;

    /// <summary>Asked for and not performed yet.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Queued until performed. Callers bound it: each waits for its answer before it asks again, or asks once per owner.</summary>
    public void Add(T item)
    {
        Interlocked.Increment(ref _waiting);
        _queue.Writer.TryWrite((item, null));
    }

    /// <summary>Returns when everything added before has been performed.</summary>
    public Task FlushAsync()
    {
        var barrier = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _queue.Writer.TryWrite((default!, barrier)) ? barrier.Task : Task.CompletedTask;
    }

    public void Complete() => _queue.Writer.TryComplete();

    /// <summary>Runs until completed. <c>perform</c> answers its callers itself, failures included.</summary>
    public async Task RunAsync()
    {
        var group = new List<T>(groupMax);
        var barriers = new List<TaskCompletionSource>();
        while (await _queue.Reader.WaitToReadAsync())
        {
            while (group.Count < groupMax && _queue.Reader.TryRead(out var next))
            {
                if (next.Barrier is { } barrier) barriers.Add(barrier);
                else group.Add(next.Item);
            }
            if (group.Count > 0) await perform(group);
            Interlocked.Add(ref _waiting, -group.Count);
            foreach (var barrier in barriers) barrier.TrySetResult();
            group.Clear();
            barriers.Clear();
        }
    }
}
