namespace Usage.Simulation.Tests;

/// <summary>The connection broke: what was sent may have happened.</summary>
internal sealed class StoreLostException : Exception;

internal sealed class UniqueKeyException : Exception;

/// <summary>The row locks of PostgreSQL that the product uses.</summary>
internal enum LockMode { KeyShare, NoKeyUpdate, Update }

/// <summary>One transaction of one client. Locks are held until it ends, however that is.</summary>
internal sealed class Transaction(SimulatedStore store, Process client)
{
    private readonly List<Action> _writes = [];
    private readonly List<RowLocks> _locked = [];
    private bool _ended;

    public Process Client => client;
    public bool IsSent { get; private set; }

    /// <summary>Something is sent and answered: here the connection can break.</summary>
    public async Task RoundTripAsync()
    {
        await client.Pause(store.Schedule.Delay());
        if (!_ended && !store.Faults.StoreFails()) return;
        RollBack();
        throw new StoreLostException();
    }

    public async Task LockAsync(RowLocks row, LockMode mode)
    {
        await RoundTripAsync();
        while (row.Held.Any(l => l.By != this && Conflict(l.Mode, mode)))
        {
            var turn = new TaskCompletionSource();
            row.Waiting.Add(() => client.After(0, turn.SetResult));
            await turn.Task;
        }
        row.Held.Add((this, mode));
        _locked.Add(row);
    }

    public void Write(Action write) => _writes.Add(write);

    public async Task CommitAsync()
    {
        await RoundTripAsync();
        IsSent = true;
        var fate = store.Faults.Commit();
        var answer = new TaskCompletionSource();
        store.Schedule.After(store.Schedule.Delay(), () =>
        {
            if (fate != Fate.Lost) foreach (var write in _writes) write();
            End();
            if (fate == Fate.Answered) client.After(store.Schedule.Delay(), answer.SetResult);
        });
        // The client may give up before the server is done.
        if (fate != Fate.Answered) client.After(store.Schedule.Delay(), () => answer.SetException(new StoreLostException()));
        await answer.Task;
    }

    public void RollBack()
    {
        if (!_ended && !IsSent) End();
    }

    private void End()
    {
        _ended = true;
        store.Closed(this);
        foreach (var row in _locked)
        {
            row.Held.RemoveAll(l => l.By == this);
            Action[] waiting = [.. row.Waiting];
            row.Waiting.Clear();
            foreach (var wake in waiting) wake();
        }
    }

    private static bool Conflict(LockMode held, LockMode wanted) =>
        held == LockMode.Update || wanted == LockMode.Update || (held == LockMode.NoKeyUpdate && wanted == LockMode.NoKeyUpdate);
}
