namespace Hosting;

/// <summary>
/// Business time: what windows, periods and invoices are dated by. The real clock by default. Simulated (never in Production) it
/// stands still until it is advanced, and never goes back. Technical time (leases, timers, back-off) is TimeProvider.System always.
/// </summary>
public sealed class BusinessClock
{
    private readonly Lock _gate = new();
    private DateTimeOffset? _simulated;

    private BusinessClock(DateTimeOffset? simulated) => _simulated = simulated;

    public static BusinessClock Real() => new(null);
    public static BusinessClock SimulatedFrom(DateTimeOffset start) => new(start.ToUniversalTime());

    public bool IsSimulated => _simulated is not null;

    public DateTimeOffset Now
    {
        get
        {
            lock (_gate) return _simulated ?? TimeProvider.System.GetUtcNow();
        }
    }

    /// <summary>Moves simulated time forward. An earlier time, or the real clock, is refused.</summary>
    public Refusal? MoveTo(DateTimeOffset to)
    {
        lock (_gate)
        {
            if (_simulated is not { } now) return new Refusal("clock_is_real", "only a simulated clock can be advanced: set Clock__Mode=Simulated (not in Production)");
            if (to < now) return new Refusal("clock_runs_forward", $"the business clock stands at {now:O} and does not go back to {to:O}");
            _simulated = to.ToUniversalTime();
            return null;
        }
    }
}
