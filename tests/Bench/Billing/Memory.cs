using System.Diagnostics;

namespace Bench.Books;

/// <summary>Physical memory of this process while something runs in it.</summary>
internal static class Memory
{
    /// <returns>how long it took, and the most memory in its last quarter over the most in its first half</returns>
    public static async Task<(TimeSpan Took, double Growth)> WatchAsync(Func<Task> work)
    {
        var (samples, begin) = (new List<long>(), Stopwatch.GetTimestamp());
        var running = work();
        using var process = Process.GetCurrentProcess();
        do
        {
            process.Refresh();
            samples.Add(process.WorkingSet64);
        }
        while (await Task.WhenAny(running, Task.Delay(50)) != running);
        await running;
        var took = Stopwatch.GetElapsedTime(begin);
        return (took, samples.Skip(samples.Count * 3 / 4).Max() / (double)samples.Take((samples.Count + 1) / 2).Max());
    }
}
