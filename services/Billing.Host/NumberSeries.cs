using Npgsql;

namespace Billing.Host;

/// <summary>
/// The count of a series of numbers. Its row is locked until the documents that took numbers are committed: no gap, and none given twice.
/// </summary>
public static class NumberSeries
{
    /// <returns>the last number given</returns>
    public static async Task<long> Lock(NpgsqlConnection connection, string series, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("""
            insert into billing.number_series (series, last_number) values ($1, 0)
            on conflict (series) do update set last_number = number_series.last_number returning last_number
            """, connection) { Parameters = { new() { Value = series } } };
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>
    /// When a document is issued that takes the next number: read once the series is locked, for whoever waits for it takes the later number, and never before the document of the number before, whose instance's clock
    /// may be a little ahead. Dates rise with numbers so. One that is further ahead than clocks are that are kept right was wrong, and holds up nobody.
    /// </summary>
    /// <param name="before">of the document of the last number; null where it is another system's, or there is none</param>
    public static DateTimeOffset Issued(DateTimeOffset now, DateTimeOffset? before) => before > now && before - now <= ClocksApartMax ? before.Value : now;

    private static readonly TimeSpan ClocksApartMax = TimeSpan.FromMinutes(10);

    public static async Task Set(NpgsqlConnection connection, string series, long last, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("update billing.number_series set last_number = $2 where series = $1", connection)
        {
            Parameters = { new() { Value = series }, new() { Value = last } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }
}
