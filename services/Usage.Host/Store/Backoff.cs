namespace Usage.Host.Store;

/// <summary>Waits between attempts: 50 ms, doubling to 2 s.</summary>
public readonly record struct Backoff(TimeSpan Delay)
{
    private static readonly TimeSpan DelayMax = TimeSpan.FromSeconds(2);

    public static Backoff Start => new(TimeSpan.FromMilliseconds(50));
    public Backoff Next => new(Delay * 2 < DelayMax ? Delay * 2 : DelayMax);
    public Task WaitAsync(CancellationToken ct) => Task.Delay(Delay, ct);
}
