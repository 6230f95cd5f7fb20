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

    public static async Task Set(NpgsqlConnection connection, string series, long last, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("update billing.number_series set last_number = $2 where series = $1", connection)
        {
            Parameters = { new() { Value = series }, new() { Value = last } },
        };
        await command.ExecuteNonQueryAsync(ct);
    }
}
