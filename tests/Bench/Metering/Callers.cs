using System.Diagnostics;

namespace Bench.Metering;

/// <summary>Callers who ask again as soon as they are answered, or at a fixed pace whether they are answered or not.</summary>
public static class Callers
{
    public const int Count = 64;

    /// <param name="ask">one question of one of the callers</param>
    /// <returns>answers a second, and how long they took</returns>
    public static async Task<(double PerSecond, long Answers, Latencies Latencies)> AskAsync(Func<int, Task> ask, TimeSpan time)
    {
        var begin = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, Count).Select(caller => Task.Run(async () =>
        {
            var latencies = new Latencies();
            while (Stopwatch.GetElapsedTime(begin) < time)
            {
                var asked = Stopwatch.GetTimestamp();
                await ask(caller);
                latencies.Add(Stopwatch.GetTimestamp() - asked);
            }
            return latencies;
        })));
        var merged = Latencies.Of(all);
        return (merged.Count / Stopwatch.GetElapsedTime(begin).TotalSeconds, merged.Count, merged);
    }

    /// <summary>So many a second, in a burst every millisecond. How long an answer took counts from when its question was due, however late it was asked.</summary>
    public static async Task<Latencies> AskAsync(Func<int, Task> ask, TimeSpan time, int perSecond)
    {
        var (latencies, asking) = (new Latencies(), new List<Task>());
        var begin = Stopwatch.GetTimestamp();
        await Task.Factory.StartNew(() =>
        {
            for (var asked = 0; Stopwatch.GetElapsedTime(begin) < time; Thread.Sleep(1))
                for (var due = (int)(Stopwatch.GetElapsedTime(begin).TotalSeconds * perSecond); asked < due; asked++) asking.Add(OneAsync(asked));
        }, TaskCreationOptions.LongRunning);
        await Task.WhenAll(asking);
        return latencies;

        async Task OneAsync(int asked)
        {
            var due = begin + (long)((double)asked / perSecond * Stopwatch.Frequency);
            await ask(asked % Count);
            lock (latencies) latencies.Add(Stopwatch.GetTimestamp() - due);
        }
    }
}
