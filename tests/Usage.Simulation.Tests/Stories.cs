using System.Collections.Concurrent;

namespace Usage.Simulation.Tests;

/// <summary>Plays stories by their seeds, on every core, each on one thread.</summary>
internal static class Stories
{
    public sealed record Failure(ulong Seed, string What);

    public sealed class Sum
    {
        public long Stories, Steps, Rows, Grants, CapDenials, Overrun, Crashes, Corrections, Reports, Thresholds, Turns, TermsAsked, Pauses, Refusals, WantedMsMax;
    }

    public static Failure? Play(ulong seed, Mutation mutation, Action<string>? tell = null, Sum? sum = null)
    {
        var world = new World(seed, mutation, tell);
        try
        {
            world.Play();
        }
        catch (Exception e)
        {
            tell?.Invoke(e.ToString());
            return new Failure(seed, e is ViolationException ? e.Message : e.ToString());
        }
        if (sum is null) return null;
        Interlocked.Increment(ref sum.Stories);
        Interlocked.Add(ref sum.Steps, world.Schedule.Steps);
        Interlocked.Add(ref sum.Rows, world.Store.Events.Count);
        Interlocked.Add(ref sum.Grants, world.Observer.Grants);
        Interlocked.Add(ref sum.CapDenials, world.Observer.CapDenials);
        Interlocked.Add(ref sum.Overrun, world.Observer.OverrunTokens);
        Interlocked.Add(ref sum.Crashes, world.Crashes);
        Interlocked.Add(ref sum.Corrections, world.Observer.Corrections.Count);
        Interlocked.Add(ref sum.Turns, world.Store.Windows.Keys.GroupBy(k => (k.Subscription, k.Window.Window)).Sum(g => g.Count() - 1));
        Interlocked.Add(ref sum.TermsAsked, world.Observer.TermsAsked);
        lock (sum) sum.WantedMsMax = Math.Max(sum.WantedMsMax, world.Observer.Holders.LongestMs);
        Interlocked.Add(ref sum.Refusals, world.Observer.Publishing.Refusals);
        Interlocked.Add(ref sum.Pauses, world.Observer.Pauses.InTheMiddle);
        Interlocked.Add(ref sum.Thresholds, world.Observer.Thresholds.Count);
        Interlocked.Add(ref sum.Reports, world.Store.Shards.Sum(s => s.Head.Report));
        return null;
    }

    /// <summary>Failures among the first so many seeds, lowest first; stops once it has found enough of them.</summary>
    public static IReadOnlyList<Failure> PlayAll(int seeds, int failuresMax, Mutation mutation, Sum? sum = null)
    {
        var failures = new ConcurrentBag<Failure>();
        var next = 0L;
        // Threads of our own have no synchronization context: what a story awaits goes on at once, on its own thread.
        Thread[] threads = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new Thread(() =>
        {
            for (long seed; failures.Count < failuresMax && (seed = Interlocked.Increment(ref next)) <= seeds;)
                if (Play((ulong)seed, mutation, null, sum) is { } failure) failures.Add(failure);
        }))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        return [.. failures.OrderBy(f => f.Seed)];
    }
}
