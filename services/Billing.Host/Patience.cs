namespace Billing.Host;

/// <summary>A message is not given up because the database is away: it waits, unacknowledged, and goes back to the queue if we stop.</summary>
public static class Patience
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    public static async Task UntilStored(Func<Task> work, ILogger log, CancellationToken ct)
    {
        for (var said = false; ; said = true)
        {
            try
            {
                await work();
                return;
            }
            catch (Exception e) when (StoreFailure.Is(e) && !ct.IsCancellationRequested)
            {
                if (!said) log.LogWarning("a message waits for the database: {Cause}", StoreFailure.Cause(e));
            }
            await Task.Delay(Pause, ct);
        }
    }
}
