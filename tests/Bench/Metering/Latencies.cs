using System.Diagnostics;
using System.Numerics;

namespace Bench.Metering;

/// <summary>How long things took, in buckets no wider than 1/32 of their value. Written by one task, merged afterwards.</summary>
public sealed class Latencies
{
    private const int SubBits = 5;
    private readonly long[] _counts = new long[64 << SubBits];

    public long Count { get; private set; }

    /// <param name="ticks">of <see cref="Stopwatch"/></param>
    public void Add(long ticks)
    {
        _counts[BucketOf(Math.Max(ticks, 0))]++;
        Count++;
    }

    public void Merge(Latencies other)
    {
        for (var i = 0; i < _counts.Length; i++) _counts[i] += other._counts[i];
        Count += other.Count;
    }

    /// <summary>In milliseconds, by the upper end of the bucket; 0 if nothing was measured.</summary>
    public double Percentile(double percent)
    {
        var rank = (long)Math.Ceiling(Count * percent / 100);
        for (var (bucket, seen) = (0, 0L); bucket < _counts.Length; bucket++)
            if ((seen += _counts[bucket]) >= rank && seen > 0) return UpperEnd(bucket) * 1000.0 / Stopwatch.Frequency;
        return 0;
    }

    public override string ToString() => FormattableString.Invariant($"p50 {Percentile(50):F2} ms, p99 {Percentile(99):F2} ms, p99.9 {Percentile(99.9):F2} ms");

    public static Latencies Of(IEnumerable<Latencies> all)
    {
        var merged = new Latencies();
        foreach (var one in all) merged.Merge(one);
        return merged;
    }

    private static int BucketOf(long ticks)
    {
        var shift = Math.Max(0, BitOperations.Log2((ulong)ticks | 1) - SubBits);
        return (shift << SubBits) + (int)(ticks >> shift);
    }

    private static double UpperEnd(int bucket)
    {
        if (bucket < 2 << SubBits) return bucket + 1;
        var shift = (bucket >> SubBits) - 1;
        return (double)((bucket & ((1 << SubBits) - 1)) + (1 << SubBits) + 1) * Math.Pow(2, shift);
    }
}
