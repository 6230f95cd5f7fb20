using System.Diagnostics;

namespace Testing;

/// <summary>Waits for something that will be true, by looking again until a deadline. Tests never sleep for a guessed time.</summary>
public static class Eventually
{
    /// <summary>Long, since it is only ever spent by a test that fails.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Returns once the condition holds. At the deadline it throws, saying what was awaited and what the condition threw last.</summary>
    public static async Task True(Func<Task<bool>> condition, string because, TimeSpan? within = null)
    {
        Exception? last = null;
        var (since, deadline) = (Stopwatch.StartNew(), within ?? Deadline);
        do
        {
            try
            {
                // A condition that hangs is one that does not hold.
                var left = deadline - since.Elapsed;
                if (await condition().WaitAsync(left > Pause ? left : Pause)) return;
                last = null;
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                last = error;
            }
            await Task.Delay(Pause);
        }
        while (since.Elapsed < deadline);
        throw new TimeoutException($"after {since.Elapsed.TotalSeconds:0} s it was still not so that {because}", last);
    }

    public static Task True(Func<bool> condition, string because, TimeSpan? within = null) => True(() => Task.FromResult(condition()), because, within);

    /// <summary>The first answer that is not null.</summary>
    public static async Task<T> Some<T>(Func<Task<T?>> answer, string because, TimeSpan? within = null) where T : class
    {
        T? found = null;
        await True(async () => (found = await answer()) is not null, because, within);
        return found!;
    }
}
