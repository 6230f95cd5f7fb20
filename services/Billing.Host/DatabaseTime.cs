using Npgsql;

namespace Billing.Host;

/// <summary>
/// What is due is due by the clock of the instance that looks, and what is closed and numbered once stays so. The database's clock is the one that all instances share: one whose own is well ahead of it
/// would close the periods of everybody before they are over, by itself or because somebody orders something.
/// </summary>
public sealed class DatabaseTime(NpgsqlDataSource database)
{
    public const string ClockAhead = "clock_ahead";

    /// <summary>Clocks that are kept right differ by less.</summary>
    public static readonly TimeSpan AheadMax = TimeSpan.FromMinutes(1);

    /// <summary>In between, its clock is counted on by the ticks of this machine: no call asks it anew.</summary>
    private static readonly TimeSpan AskedEvery = TimeSpan.FromSeconds(1);

    private volatile Told? _told;

    /// <summary>Now by the business clock. A simulated one is nobody's but its own.</summary>
    /// <exception cref="RefusedException">clock_ahead</exception>
    public async Task<DateTimeOffset> NotAhead(BusinessClock clock, CancellationToken ct)
    {
        if (clock.IsSimulated) return clock.Now;
        var told = _told;
        if (told is null || TimeProvider.System.GetElapsedTime(told.At) > AskedEvery) _told = told = await Ask(ct);
        return Checked(clock.Now, told.Shared + TimeProvider.System.GetElapsedTime(told.At));
    }

    private async Task<Told> Ask(CancellationToken ct)
    {
        await using var command = database.CreateCommand("select clock_timestamp()");
        var shared = new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(ct))!);
        return new(shared, TimeProvider.System.GetTimestamp());
    }

    /// <param name="shared">the database's</param>
    /// <exception cref="RefusedException">clock_ahead</exception>
    public static DateTimeOffset Checked(DateTimeOffset now, DateTimeOffset shared) => now - shared <= AheadMax ? now
        : throw new Refusal(ClockAhead, $"this machine's clock shows {now:u} and the database's {shared:u}: nothing is done that is due by it, and nothing changed; set the clock that is wrong").AsException();

    /// <param name="At">ticks of this machine</param>
    private sealed record Told(DateTimeOffset Shared, long At);
}
