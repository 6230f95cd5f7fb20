using System.Security.Cryptography;
using System.Text;
using JasperFx;
using Marten;
using Marten.Storage;
using Npgsql;
using NpgsqlTypes;

namespace Hosting;

/// <summary>
/// Brings a service's schema up to date. Marten compares every table with the catalog, which takes a second of the database's time; most starts find nothing to do. So
/// what the schema was to be and what it then was are kept beside it, and where both still hold, nothing is compared. A table that was changed by hand, dropped or
/// restored is seen all the same. Beside them stands the version of the schema: an older program that meets a newer one changes nothing, for to Marten the columns and indexes that it does not
/// know are to be dropped. The newer one only added, so the older one runs on it.
/// </summary>
public static class EventSchema
{
    /// <summary>One figure of all that Marten looks after ($1: schema, $2: names): relations with who may use them, columns, constraints, indexes and functions.</summary>
    private const string Found = """
        select md5(string_agg(line, e'\n' order by line collate "C"))
        from (select oid, relname, relkind, relacl, reloptions from pg_class where relnamespace = to_regnamespace($1) and relname = any($2)) c
        cross join lateral (
          select concat_ws(' ', c.relkind, c.relname, c.relacl, c.reloptions) as line
          union all
          select concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
          from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          union all
          select concat_ws(' ', c.relname, conname, pg_get_constraintdef(oid)) from pg_constraint where conrelid = c.oid
          union all
          select concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid) from pg_index where indrelid = c.oid
          union all
          select concat_ws(' ', c.relname, inhrelid::regclass) from pg_inherits where inhparent = c.oid
        ) lines
        """;

    private const string FoundFunctions = """
        select md5(string_agg(pg_get_functiondef(oid), e'\n' order by oid::regprocedure::text collate "C")) from pg_proc where pronamespace = to_regnamespace($1) and proname = any($2)
        """;

    /// <summary>How long a change may wait for a table that others read or write: who comes after it waits as well.</summary>
    private const string LockTimeout = "-c lock_timeout=2s";

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>What a store's schema is to be: the digest of the statements that would make it, 64 hex digits. A test of each service pins it beside the version.</summary>
    public static string DigestOf(IDocumentStore store) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(store.Storage.ToDatabaseScript())));

    /// <param name="place">of the role that owns the schema</param>
    /// <returns>the version that the schema has now: above the place's own where a newer program made it, and then nothing was changed</returns>
    /// <exception cref="NpgsqlException">The database does not answer, or does not let the role in.</exception>
    public static async Task<int> ApplyAsync(IDocumentStore store, StoreConnection place, CancellationToken ct = default)
    {
        var wanted = DigestOf(store);
        string[] names = [.. store.Storage.AllObjects().SelectMany(o => o.AllNames()).Select(n => n.Name).Distinct()];
        await using var connection = place.Unpooled();
        await connection.OpenAsync(ct);
        // One after the other, until the connection is closed: what another version made of the schema meanwhile must not be taken for ours.
        await using (var alone = new NpgsqlCommand("select pg_advisory_lock(hashtext($1))", connection) { Parameters = { new() { Value = $"{place.Schema}.schema" } } }) await alone.ExecuteNonQueryAsync(ct);
        await using (var table = new NpgsqlCommand($"""
            create table if not exists {place.Schema}.applied_schema (wanted text not null, found text not null);
            alter table {place.Schema}.applied_schema add column if not exists version integer not null default 0
            """, connection)) await table.ExecuteNonQueryAsync(ct);
        await using (var newest = new NpgsqlCommand($"select coalesce(max(version), 0) from {place.Schema}.applied_schema", connection))
            if (await newest.ExecuteScalarAsync(ct) is int version && version > place.SchemaVersion) return version;
        await using (var same = Ask($"select exists (select from {place.Schema}.applied_schema where wanted = $3 and version = $4 and found = concat(({Found}), ({FoundFunctions})))"))
            if (await same.ExecuteScalarAsync(ct) is true) return place.SchemaVersion;

        await ChangeAsync(store, place, ct);
        await using var keep = Ask($"""
            with before as (delete from {place.Schema}.applied_schema) insert into {place.Schema}.applied_schema (wanted, found, version) values ($3, concat(({Found}), ({FoundFunctions})), $4)
            """);
        await keep.ExecuteNonQueryAsync(ct);
        return place.SchemaVersion;

        NpgsqlCommand Ask(string sql) => new(sql, connection)
        {
            Parameters =
            {
                new() { Value = place.Schema }, new() { Value = names, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text }, new() { Value = wanted }, new() { Value = place.SchemaVersion },
            },
        };
    }

    /// <summary>On connections of its own: an index over years of events takes its time, and a change that is cut short would begin again for ever. One that waits for others gives way, and comes again.</summary>
    private static async Task ChangeAsync(IDocumentStore store, StoreConnection place, CancellationToken ct)
    {
        var patient = new NpgsqlConnectionStringBuilder(place.ConnectionString) { Pooling = false, CommandTimeout = 0 };
        patient.Options = $"{patient.Options} {LockTimeout}".TrimStart();
        await using var connections = NpgsqlDataSource.Create(patient);
        await using var database = new MartenDatabase((StoreOptions)store.Options, connections, $"{place.Schema}.schema");
        while (true)
        {
            try
            {
                await database.ApplyAllConfiguredChangesToDatabaseAsync(AutoCreate.CreateOrUpdate, ct: ct);
                return;
            }
            catch (Exception e) when (IsLocked(e))
            {
                await Task.Delay(Pause, ct);
            }
        }
    }

    private static bool IsLocked(Exception? e) => e is PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } || (e is not null && IsLocked(e.InnerException));
}
