namespace Usage.Metering;

/// <summary>
/// How what is durable goes out: in order, at least once, and marked only when it is known to have been taken. Whoever is killed in between, or gets
/// no answer, leaves it unmarked, and it goes out again.
/// </summary>
/// <param name="readMax">looked at in one pass</param>
/// <param name="unconfirmedMax">sent before the first of them is confirmed</param>
public sealed class Outbox(int readMax, int unconfirmedMax)
{
    /// <summary>Publishes the next, and marks those that were taken.</summary>
    /// <param name="read">what is not marked, in order, so many at most</param>
    /// <param name="publish">in order; says how many from the first on were taken for good, and throws if none was</param>
    /// <returns>true if there may be more</returns>
    public async Task<bool> PublishSomeAsync<T>(Func<int, Task<List<T>>> read, Func<T[], Task<int>> publish, Func<T[], Task> mark)
    {
        var unmarked = await read(readMax);
        foreach (var some in unmarked.Chunk(unconfirmedMax))
        {
            var taken = await publish(some);
            await mark(some[..taken]);
            if (taken < some.Length) return true;
        }
        return unmarked.Count == readMax;
    }
}
