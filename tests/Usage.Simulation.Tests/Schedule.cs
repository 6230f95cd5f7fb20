using System.Runtime.CompilerServices;

namespace Usage.Simulation.Tests;

/// <summary>Something happened that the invariants forbid.</summary>
public sealed class ViolationException(string message) : Exception(message);

/// <summary>The story's only source of chance (SplitMix64): the same seed draws the same numbers on every machine and runtime.</summary>
internal sealed class Draw(ulong seed)
{
    private ulong _state = unchecked(seed * 0x9E37_79B9_7F4A_7C15);

    public ulong Next()
    {
        unchecked
        {
            var z = _state += 0x9E37_79B9_7F4A_7C15;
            z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
            z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
            return z ^ (z >> 31);
        }
    }

    /// <summary>From <paramref name="from"/> to <paramref name="to"/>, both included.</summary>
    public int Int(int from, int to) => from + (int)(Next() % (ulong)(to - from + 1));

    public bool Chance(double probability) => (Next() >> 11) * (1.0 / (1UL << 53)) < probability;

    public T Of<T>(IReadOnlyList<T> some) => some[Int(0, some.Count - 1)];
}

/// <summary>Virtual time and what is going to happen in it. One thread plays it, step by step: two runs of a seed are the same.</summary>
internal sealed class Schedule(ulong seed, Action<string>? tell)
{
    private readonly PriorityQueue<Action, (long At, ulong Tie)> _due = new();

    public Draw Draw { get; } = new(seed);
    public long NowMs { get; private set; }
    public long Steps { get; private set; }
    public bool IsTold => tell is not null;

    /// <summary>What an asynchronous part of the story failed with.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Things that are due at the same time happen in any order.</summary>
    public void After(long ms, Action action) => _due.Enqueue(action, (NowMs + ms, Draw.Next()));

    public bool Step()
    {
        if (!_due.TryDequeue(out var action, out var due)) return false;
        NowMs = due.At;
        Steps++;
        action();
        if (Failure is { } failure) throw failure;
        return true;
    }

    public void Tell(string text) => tell?.Invoke($"{NowMs / 1000.0,8:0.000} {text}");

    /// <summary>Mostly prompt, now and then slow, seldom very slow.</summary>
    public int Delay() => Draw.Int(0, 99) switch
    {
        < 80 => Draw.Int(1, 20),
        < 97 => Draw.Int(20, 300),
        _ => Draw.Int(300, 3_000),
    };
}

/// <summary>Whatever lives until it is killed: what it was going to do then never happens. Frozen, it does it late.</summary>
internal class Process(Schedule schedule, Process? host = null)
{
    private bool _killed;
    private long _frozenUntil;

    public bool IsAlive => !_killed && host is not { IsAlive: false };
    private long FrozenUntil => Math.Max(_frozenUntil, host?.FrozenUntil ?? 0);
    public bool IsFrozen => FrozenUntil > schedule.NowMs;

    public void Kill() => _killed = true;
    public void Freeze(long ms) => _frozenUntil = Math.Max(_frozenUntil, schedule.NowMs + ms);

    public void After(long ms, Action action) => schedule.After(ms, () => Resume(action));

    private void Resume(Action action)
    {
        if (!IsAlive) return;
        if (IsFrozen) schedule.After(FrozenUntil - schedule.NowMs, () => Resume(action));
        else action();
    }

    /// <summary>Waits in virtual time; never returns to the dead.</summary>
    public Pausing Pause(long ms) => new(this, ms);

    /// <summary>Begins something asynchronous. Its failure ends the story.</summary>
    public async void Run(Func<Task> body)
    {
        try { await body(); }
        catch (Exception e) { schedule.Failure ??= e; }
    }

    public readonly struct Pausing(Process process, long ms) : INotifyCompletion
    {
        public bool IsCompleted => false;
        public Pausing GetAwaiter() => this;
        public void GetResult() { }
        public void OnCompleted(Action continuation) => process.After(ms, continuation);
    }
}
