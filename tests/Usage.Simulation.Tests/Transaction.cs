namespace Usage.Simulation.Tests;

/// <summary>The connection broke: what was sent may have happened.</summary>
internal sealed class StoreLostException : Exception;

internal sealed class UniqueKeyException : Exception;

/// <summary>The row locks of PostgreSQL that the product uses.</summary>
internal enum LockMode { KeyShare, NoKeyUpdate, Update }

/// <summary>Who holds which lock on a row, and who waits for one.</summary>
internal sealed class RowLocks
{
    public List<(Transaction By, LockMode Mode)> Held { get; } = [];
    public List<Action> Waiting { get; } = [];

    /// <summary>What the product does when it has waited for a lock in vain: ends whoever holds it and has fallen silent in the middle of a statement.</summary>
    public void EndSilent()
    {
        foreach (var (by, _) in Held.ToList()) by.EndIfSilentInTheMiddle();
    }
}

/// <summary>
/// One transaction of one client. Locks are held until it ends, however that is: PostgreSQL ends it too, once its client has said nothing for as long
/// as it may.
/// </summary>
internal sealed class Transaction(SimulatedStore store, Process client)
{
    /// <summary>The product's idle_in_transaction_session_timeout, and its lock_timeout where a shard is taken.</summary>
    public const int SilentMsMax = 10_000;
    private const long Never = long.MaxValue;
    private readonly List<Action> _writes = [];
    private readonly List<RowLocks> _locked = [];
    private long _idleSinceMs = Never, _copyingSinceMs = Never;
    private bool _ended, _watched;

    public Process Client => client;
    public bool IsSent { get; private set; }

    /// <summary>Something is sent and answered: here the connection can break.</summary>
    /// <param name="copies">its rows are a COPY: a client that freezes meanwhile is not idle, but in the middle of a statement</param>
    public async Task RoundTripAsync(bool copies = false)
    {
        var delay = store.Schedule.Delay();
        (_idleSinceMs, _copyingSinceMs) = copies ? (Never, store.Schedule.NowMs) : (store.Schedule.NowMs + delay, Never);
        if (_locked.Count > 0) store.Locking(client);
        await client.Pause(delay);
        if (copies) (_idleSinceMs, _copyingSinceMs) = (store.Schedule.NowMs, Never);
        GoOn();
        if (!store.Faults.StoreFails()) return;
        RollBack();
        throw new StoreLostException();
    }

    /// <returns>false if it was not to be had within the time</returns>
    public async Task<bool> LockAsync(RowLocks row, LockMode mode, int withinMs = int.MaxValue)
    {
        await RoundTripAsync();
        if (TryLock(row, mode)) return true;
        var answer = new TaskCompletionSource<bool>();
        var isWaiting = true;
        _idleSinceMs = Never;
        Wait();
        if (withinMs < int.MaxValue) store.Schedule.After(withinMs, () => Answer(false));
        var isLocked = await answer.Task;
        GoOn();
        return isLocked;

        void Wait()
        {
            row.Waiting.Add(() => store.Schedule.After(0, Try));
            foreach (var (by, _) in row.Held) by.EndWhenIdle();
        }

        void Try()
        {
            if (_ended || !isWaiting) return;
            if (TryLock(row, mode)) Answer(true);
            else Wait();
        }

        // The server has it from now on, whenever the client hears of it.
        void Answer(bool isLocked)
        {
            if (_ended || !isWaiting) return;
            isWaiting = false;
            _idleSinceMs = store.Schedule.NowMs;
            client.After(0, () => answer.SetResult(isLocked));
        }
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

    public void EndIfSilentInTheMiddle()
    {
        if (!store.SilentCopiesStay && store.Schedule.NowMs - _copyingSinceMs > SilentMsMax) RollBack();
    }

    private bool IsIdleTooLong => !store.IdleTransactionsStay && store.Schedule.NowMs - _idleSinceMs >= SilentMsMax;

    /// <summary>Somebody waits for what it holds. That PostgreSQL ends it is otherwise seen when its client goes on.</summary>
    private void EndWhenIdle()
    {
        if (_watched || _ended || IsSent) return;
        _watched = true;
        var silentMs = _idleSinceMs == Never ? 0 : Math.Max(0, store.Schedule.NowMs - _idleSinceMs);
        store.Schedule.After(Math.Max(1, SilentMsMax - silentMs), () =>
        {
            _watched = false;
            if (IsIdleTooLong) RollBack();
            else if (_locked.Exists(row => row.Waiting.Count > 0)) EndWhenIdle();
        });
    }

    private void GoOn()
    {
        if (IsIdleTooLong) RollBack();
        if (_ended) throw new StoreLostException();
    }

    private bool TryLock(RowLocks row, LockMode mode)
    {
        if (row.Held.Any(l => l.By != this && Conflict(l.Mode, mode))) return false;
        row.Held.Add((this, mode));
        _locked.Add(row);
        return true;
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
