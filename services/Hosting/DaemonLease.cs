using Npgsql;
using Weasel.Postgresql.Tables;

namespace Hosting;

/// <summary>
/// Who runs the daemon, and until when. The advisory lock decides who may; but it is free at the moment its connection dies, while the old holder has not heard
/// of it. So the holder also renews a row through that connection and stops when it cannot, and who comes after waits until the row is released
/// or has not been renewed for a while. Times are the database's. A holder that was frozen for longer, and wakes, is refused by the
/// progress that it would write.
/// </summary>
public sealed class DaemonLease(StoreConnection place)
{
    /// <summary>How often it is renewed, and how long it lasts: a holder has the difference to notice that it lost it, and to stop.</summary>
    internal static readonly TimeSpan Renewal = TimeSpan.FromMilliseconds(500), Lasts = TimeSpan.FromSeconds(5), Look = TimeSpan.FromMilliseconds(200);
    private const int AnswerSecondsMax = 2;
    private static int _count;
    private readonly string _me = $"{Environment.MachineName}/{Environment.ProcessId}/{Interlocked.Increment(ref _count)}";
    private long _renewedAt;

    internal static Table Table(string schema)
    {
        var table = new Table($"{schema}.daemon_lease");
        table.AddColumn<string>("name").AsPrimaryKey();
        table.AddColumn<string>("holder").NotNull();
        table.AddColumn<DateTimeOffset>("renewed_at").NotNull();
        table.AddColumn<bool>("released").NotNull();
        return table;
    }

    /// <summary>By whoever holds the lock: waits until the one before has stopped, or has had its time.</summary>
    /// <param name="connection">that holds the lock</param>
    public async Task Take(NpgsqlConnection connection, CancellationToken ct)
    {
        while (true)
        {
            _renewedAt = TimeProvider.System.GetTimestamp();
            var taken = await Execute(connection, $"""
                insert into {place.Schema}.daemon_lease as l (name, holder, renewed_at, released) values ('daemon', $1, clock_timestamp(), false)
                on conflict (name) do update set holder = $1, renewed_at = clock_timestamp(), released = false where l.released or l.holder = $1 or l.renewed_at < clock_timestamp() - $2
                """, ct, _me, Lasts);
            if (taken == 1) return;
            await Task.Delay(Look, ct);
        }
    }

    /// <exception cref="InvalidOperationException">It is another's, or this one was away for too long to know.</exception>
    public async Task Renew(NpgsqlConnection connection, CancellationToken ct)
    {
        if (TimeProvider.System.GetElapsedTime(_renewedAt) > Lasts) throw new InvalidOperationException("the lease of the daemon ran out before it was renewed");
        var at = TimeProvider.System.GetTimestamp();
        if (await Execute(connection, $"update {place.Schema}.daemon_lease set renewed_at = clock_timestamp() where holder = $1 and not released", ct, _me) != 1)
            throw new InvalidOperationException("the lease of the daemon is another's");
        _renewedAt = at;
    }

    /// <summary>When the daemon has stopped: another may start at once. Through a connection of its own, for the lock's may be what was lost.</summary>
    public async Task Release()
    {
        try
        {
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(AnswerSecondsMax));
            await using var connection = place.Unpooled();
            await connection.OpenAsync(soon.Token);
            await Execute(connection, $"update {place.Schema}.daemon_lease set released = true where holder = $1", soon.Token, _me);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            // Then it runs out.
        }
    }

    private static async Task<int> Execute(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = AnswerSecondsMax };
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteNonQueryAsync(ct);
    }
}
