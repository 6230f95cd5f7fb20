namespace Usage.Simulation.Tests;

/// <summary>A shard is served again soon, whoever holds it and says nothing: an instance that wants one, and whose database answers, has it within a while.</summary>
internal sealed class HolderWatch(World world)
{
    // Several may stand before it, each silent for as long as it may be; and each attempt ends when it has waited for so long.
    private const int WantedMsMax = 36_000;
    // One that was frozen looks late, and has not tried meanwhile.
    private const int LookMsMax = 2_000;
    private readonly Dictionary<(Instance, int Shard), (long SinceMs, long LookedMs)> _wanted = [];

    /// <summary>The longest that anybody has waited.</summary>
    public long LongestMs { get; private set; }

    public void Looked(Instance instance, int shard, bool isWanted)
    {
        var now = world.Schedule.NowMs;
        if (!isWanted || now < world.Faults.OutageUntilMs) _wanted.Remove((instance, shard));
        else if (!_wanted.TryGetValue((instance, shard), out var wanted) || now - wanted.LookedMs > LookMsMax) _wanted[(instance, shard)] = (now, now);
        else
        {
            _wanted[(instance, shard)] = wanted with { LookedMs = now };
            LongestMs = Math.Max(LongestMs, now - wanted.SinceMs);
            if (now - wanted.SinceMs > WantedMsMax) throw new ViolationException($"{instance} has wanted shard {shard} for {(now - wanted.SinceMs) / 1000.0:0.0} s, and somebody silent holds it");
        }
    }
}
