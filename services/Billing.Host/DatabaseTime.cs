using Npgsql;

namespace Billing.Host;

/// <summary>
/// What is due is due by the clock of the instance that looks, and what is closed and numbered once stays so. The database's clock is the one that all instances share: one whose own is well ahead of it
/// would close the periods of everybody before they are over.
/// </summary>
public sealed class DatabaseTime(NpgsqlDataSource database)
{
    /// <summary>Clocks that are kept right differ by less.</summary>
    public static readonly TimeSpan AheadMax = TimeSpan.FromMinutes(1);

    /// <summary>Now by the business clock. A simulated one is nobody's but its own.</summary>
    /// <exception cref="RefusedException">clock_ahead</exception>
    public async Task<DateTimeOffset> NotAhead(BusinessClock clock, CancellationToken ct)
    {
        if (clock.IsSimulated) return clock.Now;
        await using var command = database.CreateCommand("select clock_timestamp()");
        var shared = new DateTimeOffset((DateTime)(await command.ExecuteScalarAsync(ct))!);
        return Checked(clock.Now, shared);
    }

    /// <param name="shared">the database's</param>
    /// <exception cref="RefusedException">clock_ahead</exception>
    public static DateTimeOffset Checked(DateTimeOffset now, DateTimeOffset shared) => now - shared <= AheadMax ? now
        : throw new Refusal("clock_ahead", $"this machine's clock shows {now:u} and the database's {shared:u}: nothing that is due by it is done; set the clock that is wrong").AsException();
}
