namespace Usage.Simulation.Tests;

/// <summary>A shard is served again soon, whoever holds it and says nothing: an instance that wants one, and whose database answers, has it within a while.</summary>
internal sealed class HolderWatch(World world)
{
    // Several may stand before it, each silent for as long as it may be; and each attempt ends when it has waited for so long.
    private const int WantedMsMax = 30_000;
    // One that was frozen looks late, and has not tried meanwhile.
    private const int LookMsMax = 2_000;
    private readonly Dictionary<int, (long SinceMs, long LookedMs)> _wanted = [];

    /// <summary>The longest that anybody has waited.</summary>
    public long LongestMs { get; private set; }

    /// <summary>An instance whose home the shard is, whoever that is by now, has looked.</summary>
    public void Looked(Instance instance, int shard, bool isHeld)
    {
        var now = world.Schedule.NowMs;
        if (isHeld || now < world.Faults.OutageUntilMs) _wanted.Remove(shard);
        else if (!_wanted.TryGetValue(shard, out var wanted) || now - wanted.LookedMs > LookMsMax) _wanted[shard] = (now, now);
        else
        {
            _wanted[shard] = wanted with { LookedMs = now };
            LongestMs = Math.Max(LongestMs, now - wanted.SinceMs);
            if (now - wanted.SinceMs > WantedMsMax) throw new ViolationException($"{instance} wants shard {shard}, which nobody has had for {(now - wanted.SinceMs) / 1000.0:0.0} s: somebody silent is in the way");
        }
    }
}
