using System.Globalization;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Orleans.Runtime;
using Usage.Host.Store;

namespace Usage.Host.Cluster;

/// <summary>
/// Orleans's membership in usage's own schema. Every change of a member carries the next version of the whole table, and happens only if
/// nobody else has taken that version: so all instances see one order of changes.
/// </summary>
public sealed class PostgresMembership(UsageStore store, string cluster) : IMembershipTable
{
    /// <summary>The parts of an entry that Orleans compares or shows; the rest of it belongs to platforms that are not used here.</summary>
    private sealed record Entry(string HostName, string SiloName, int ProxyPort, DateTime StartTime, List<Suspicion> Suspicions);
    private sealed record Suspicion(string By, DateTime At);

    public async Task InitializeMembershipTable(bool tryInitTableVersion)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        if (tryInitTableVersion) await UsageStore.Execute(connection, "insert into usage.cluster (cluster, version) values ($1, 0) on conflict do nothing", default, cluster);
    }

    public async Task DeleteMembershipTableEntries(string clusterId)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        await UsageStore.Execute(connection, "delete from usage.cluster_member where cluster = $1", default, clusterId);
        await UsageStore.Execute(connection, "delete from usage.cluster where cluster = $1", default, clusterId);
    }

    public async Task CleanupDefunctSiloEntries(DateTimeOffset beforeDate)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        await UsageStore.Execute(
            connection, "delete from usage.cluster_member where cluster = $1 and status = $2 and alive_at < $3", default, cluster, nameof(SiloStatus.Dead), beforeDate.ToUniversalTime());
    }

    public async Task<MembershipTableData> ReadAll()
    {
        var (members, version) = await ReadAsync("");
        return new MembershipTableData(members, version);
    }

    public async Task<MembershipTableData> ReadRow(SiloAddress key)
    {
        var (members, version) = await ReadAsync(key.ToParsableString());
        return new MembershipTableData(members, version);
    }

    public Task<bool> InsertRow(MembershipEntry entry, TableVersion tableVersion) => ChangeAsync(entry, tableVersion, """
        insert into usage.cluster_member (cluster, silo, status, entry, alive_at, etag) values ($1, $2, $3, $4, $5, $6) on conflict do nothing
        """);

    public Task<bool> UpdateRow(MembershipEntry entry, string etag, TableVersion tableVersion) => ChangeAsync(entry, tableVersion, """
        update usage.cluster_member set status = $3, entry = $4, alive_at = $5, etag = $6 where cluster = $1 and silo = $2 and etag = $7
        """, etag);

    /// <summary>A sign of life changes nothing that others decide by, hence no version.</summary>
    public async Task UpdateIAmAlive(MembershipEntry entry)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        await UsageStore.Execute(
            connection, "update usage.cluster_member set alive_at = $3 where cluster = $1 and silo = $2", default, cluster, entry.SiloAddress.ToParsableString(), Utc(entry.IAmAliveTime));
    }

    private async Task<bool> ChangeAsync(MembershipEntry entry, TableVersion next, string sql, string? etag = null)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        if (await ExecuteAsync(connection, "update usage.cluster set version = $2 where cluster = $1 and version = $3", cluster, next.Version, int.Parse(next.VersionEtag, CultureInfo.InvariantCulture)) == 0)
            return false;
        var stored = new Entry(
            entry.HostName ?? "", entry.SiloName ?? "", entry.ProxyPort, Utc(entry.StartTime),
            [.. (entry.SuspectTimes ?? []).Select(s => new Suspicion(s.Item1.ToParsableString(), Utc(s.Item2)))]);
        List<object> parameters =
        [
            cluster, entry.SiloAddress.ToParsableString(), entry.Status.ToString(),
            new NpgsqlParameter { Value = JsonSerializer.Serialize(stored), NpgsqlDbType = NpgsqlDbType.Jsonb }, Utc(entry.IAmAliveTime), next.Version,
        ];
        if (etag is not null) parameters.Add(int.Parse(etag, CultureInfo.InvariantCulture));
        if (await ExecuteAsync(connection, sql, [.. parameters]) == 0) return false;
        await transaction.CommitAsync();
        return true;
    }

    /// <summary>One statement, so that rows and version are of the same moment.</summary>
    private async Task<(List<Tuple<MembershipEntry, string>> Members, TableVersion Version)> ReadAsync(string silo)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("""
            select c.version, m.silo, m.status, m.entry::text, m.alive_at, m.etag from usage.cluster c
            left join usage.cluster_member m on m.cluster = c.cluster and ($2 = '' or m.silo = $2) where c.cluster = $1
            """, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = cluster });
        command.Parameters.Add(new NpgsqlParameter { Value = silo });
        await using var reader = await command.ExecuteReaderAsync();
        var members = new List<Tuple<MembershipEntry, string>>();
        var version = 0;
        while (await reader.ReadAsync())
        {
            version = reader.GetInt32(0);
            if (!reader.IsDBNull(1)) members.Add(Tuple.Create(ReadMember(reader), Etag(reader.GetInt32(5))));
        }
        return (members, new TableVersion(version, Etag(version)));
    }

    private static MembershipEntry ReadMember(NpgsqlDataReader reader)
    {
        var entry = JsonSerializer.Deserialize<Entry>(reader.GetString(3))!;
        return new MembershipEntry
        {
            SiloAddress = SiloAddress.FromParsableString(reader.GetString(1)),
            Status = Enum.Parse<SiloStatus>(reader.GetString(2)),
            HostName = entry.HostName,
            SiloName = entry.SiloName,
            ProxyPort = entry.ProxyPort,
            StartTime = entry.StartTime,
            SuspectTimes = [.. entry.Suspicions.Select(s => Tuple.Create(SiloAddress.FromParsableString(s.By), s.At))],
            IAmAliveTime = reader.GetFieldValue<DateTimeOffset>(4).UtcDateTime,
        };
    }

    private static async Task<int> ExecuteAsync(NpgsqlConnection connection, string sql, params object[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var parameter in parameters) command.Parameters.Add(parameter as NpgsqlParameter ?? new NpgsqlParameter { Value = parameter });
        return await command.ExecuteNonQueryAsync();
    }

    private static string Etag(int version) => version.ToString(CultureInfo.InvariantCulture);

    private static DateTime Utc(DateTime time) => DateTime.SpecifyKind(time, DateTimeKind.Utc);
}
