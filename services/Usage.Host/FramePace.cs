using System.Diagnostics;

namespace Usage.Host;

/// <summary>How fast one stream may send: so many frames a second, and two seconds' worth at once.</summary>
public sealed class FramePace(int framesPerSecondMax)
{
    private readonly double _most = 2.0 * framesPerSecondMax;
    private double _left = 2.0 * framesPerSecondMax;
    private long _at = Stopwatch.GetTimestamp();

    /// <summary>Takes these frames of a message into account. Null if they may pass, else how long their sender should have waited.</summary>
    public TimeSpan? Take(int frames)
    {
        // A message without frames has to be read as well.
        frames = Math.Max(frames, 1);
        var now = Stopwatch.GetTimestamp();
        _left = Math.Min(_most, _left + Stopwatch.GetElapsedTime(_at, now).TotalSeconds * framesPerSecondMax);
        _at = now;
        // A message that alone is more than a burst passes a full bucket: how large it may be is bounded elsewhere.
        if (_left < frames && _left < _most) return TimeSpan.FromSeconds((Math.Min(frames, _most) - _left) / framesPerSecondMax);
        _left = Math.Max(0, _left - frames);
        return null;
    }
}
