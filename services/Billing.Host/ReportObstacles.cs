using Npgsql;

namespace Billing.Host;

/// <summary>Why reports of usage do not come into the books by themselves: they are parked, or their shard is stopped.</summary>
internal sealed class ReportObstacles
{
    private readonly Dictionary<string, (string Id, string Why)> _parked = [];
    private readonly Dictionary<int, string> _stopped = [];

    public static async Task<ReportObstacles> ReadAsync(NpgsqlConnection books, CancellationToken ct)
    {
        var obstacles = new ReportObstacles();
        await using (var parked = new NpgsqlCommand($"select id, data ->> 'reason', data ->> 'detail' from billing.mt_doc_parkedmessage where starts_with(id, '{ParkedMessages.Report}') and data ->> 'setAsideAt' is null", books) { CommandTimeout = 0 })
        await using (var reader = await parked.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct)) obstacles._parked[KeyOf(reader.GetString(0))] = (reader.GetString(0), $"{reader.GetString(1)}, {reader.GetString(2)}");
        await using (var stopped = new NpgsqlCommand("select shard, stopped from billing.usage_shard where stopped is not null", books) { CommandTimeout = 0 })
        await using (var reader = await stopped.ExecuteReaderAsync(ct))
            while (await reader.ReadAsync(ct)) obstacles._stopped[reader.GetInt32(0)] = reader.GetString(1);
        return obstacles;
    }

    /// <summary>Without the hash of what it says: kind, shard and number.</summary>
    private static string KeyOf(string id) => string.Join('/', id.Split('/').Take(3));

    /// <summary>Why this report is parked, in one sentence; null where it is not.</summary>
    public string? Parked(int shard, long number) => _parked.TryGetValue(ParkedMessages.ReportId(shard, number), out var parked)
        ? $"report {number} of shard {shard} is parked ({parked.Why}): mend the cause, then: billing parked replay {parked.Id}"
        : null;

    /// <summary>Why the shard is stopped; null where it is not.</summary>
    public string? Stopped(int shard) => _stopped.GetValueOrDefault(shard);
}
