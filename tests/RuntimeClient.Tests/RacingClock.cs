namespace RuntimeClient.Tests;

/// <summary>The system's clock as a bad one shows it: its time of day is wrong, or its seconds are hours.</summary>
public sealed class RacingClock : TimeProvider
{
    private long _ahead;

    /// <summary>Each look at it finds it an hour later.</summary>
    public bool Races { get; set; }

    /// <summary>How far its time of day is ahead of everybody else's.</summary>
    public TimeSpan Wrong { get; init; }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Wrong;

    public override long GetTimestamp()
    {
        if (Races) Jump(TimeSpan.FromHours(1));
        return base.GetTimestamp() + Interlocked.Read(ref _ahead);
    }

    public void Jump(TimeSpan by) => Interlocked.Add(ref _ahead, (long)(by.TotalSeconds * TimestampFrequency));
}
