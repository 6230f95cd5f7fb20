using Usage.Metering;

namespace Usage.Caps;

/// <summary>A window of five hours or a week: opened by its first grant, closed that long after. [OpenedAt, ClosesAt) in business time.</summary>
public sealed record OpenWindow(CapWindow Window, DateTimeOffset OpenedAt, DateTimeOffset ClosesAt)
{
    /// <summary>A window that opens later than this from now was opened by a clock that was wrong: it would lock its customer out until then, and is left alone.</summary>
    public static readonly TimeSpan ClockSkewMax = TimeSpan.FromHours(1);

    public static OpenWindow Open(CapWindow window, DateTimeOffset at)
    {
        // Whole microseconds, so that the window read back from the table is the same window.
        var opened = UsageRow.WholeMicroseconds(at);
        return new OpenWindow(window, opened, opened + LengthOf(window));
    }

    private static TimeSpan LengthOf(CapWindow window) => window switch
    {
        CapWindow.FiveHours => TimeSpan.FromHours(5),
        CapWindow.Week => TimeSpan.FromDays(7),
        CapWindow.Conversation or CapWindow.BillingPeriod => throw new ArgumentOutOfRangeException(nameof(window), window, "only windows of five hours and of a week open by themselves"),
    };
}

/// <summary>What has been used in one window that rolls, or nothing while none is open.</summary>
public sealed class RollingWindow(CapWindow window)
{
    private Tally _used;

    public OpenWindow? Current { get; private set; }

    /// <summary>Of several the newest is kept: clocks of two instances differ, and one that is behind still finds the window before it open.</summary>
    public void Load(OpenWindow open, in Tally used)
    {
        if (Current is null || Current.OpenedAt < open.OpenedAt) (Current, _used) = (open, used);
    }

    public bool IsOpenAt(DateTimeOffset at) => Current is { } open && at < open.ClosesAt && open.OpenedAt - at <= OpenWindow.ClockSkewMax;

    public Tally UsedAt(DateTimeOffset at) => IsOpenAt(at) ? _used : Tally.Zero;

    public void OpenAt(DateTimeOffset at)
    {
        if (!IsOpenAt(at)) (Current, _used) = (OpenWindow.Open(window, at), Tally.Zero);
    }

    public void Use(in Tally tokens) => _used += tokens;
}

/// <summary>One conversation of a subscription: its own window, which never closes.</summary>
public sealed class Conversation(string name, Tally used)
{
    public string Name { get; } = name;
    public Tally Used { get; private set; } = used;
    /// <summary>Granted and not yet reported, over all generations of this conversation.</summary>
    public long Held { get; internal set; }
    public int Generations { get; internal set; }
    /// <summary>How many thresholds of its cap have been noted.</summary>
    internal int Announced { get; set; }

    internal void Use(in Tally tokens) => Used += tokens;
}
