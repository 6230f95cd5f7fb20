using Npgsql;

namespace Hosting;

/// <summary>
/// The keys that were registered while the service ran, in its own schema. Rows are added and marked as revoked, never deleted; each change takes the next
/// revision, so that an instance sees by one number whether there is news.
/// </summary>
public sealed class AccessKeyTable(NpgsqlDataSource database, string schema)
{
    private const string Columns = "key_id, name, scopes, customer, sha256, shown, created_at, created_by, revoked_at, revoked_by";
    private volatile bool _made;

    /// <summary>The latest change; 0 before the first.</summary>
    public async Task<long> RevisionAsync(CancellationToken ct)
    {
        await MakeAsync(ct);
        await using var command = database.CreateCommand($"select coalesce(max(revision), 0) from {schema}.access_key");
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>Those that are let in.</summary>
    public async Task<List<AccessKey>> LiveAsync(CancellationToken ct) => await ReadAsync($"select {Columns} from {schema}.access_key where revoked_at is null", ct);

    /// <summary>Some, by id, after the one named; revoked ones too, if wanted.</summary>
    public async Task<List<AccessKey>> ListAsync(bool revokedToo, string after, int most, CancellationToken ct)
    {
        await MakeAsync(ct);
        return await ReadAsync($"select {Columns} from {schema}.access_key where key_id > $1 and ($2 or revoked_at is null) order by key_id limit $3", ct, after, revokedToo, most);
    }

    /// <returns>the key as it is kept; null if its id or its secret is another key's</returns>
    public async Task<AccessKey?> AddAsync(AccessKey key, CancellationToken ct)
    {
        await ChangeAsync(
            $"insert into {schema}.access_key ({Columns}, revision) values ($1, $2, $3, $4, $5, $6, $7, $8, null, '', {Next}) on conflict do nothing", ct,
            key.Id, key.Name, (int)key.Scopes, (object?)key.CustomerId ?? DBNull.Value, key.Sha256, key.Shown, key.CreatedAt!.Value, key.CreatedBy);
        var kept = await FindAsync(key.Id, ct);
        return kept is not null && (kept.Name, kept.Scopes, kept.CustomerId, kept.Sha256) == (key.Name, key.Scopes, key.CustomerId, key.Sha256) ? kept : null;
    }

    /// <returns>the key as it is kept; null if there is none</returns>
    public async Task<AccessKey?> RevokeAsync(string id, DateTimeOffset at, string by, CancellationToken ct)
    {
        await ChangeAsync($"update {schema}.access_key set revoked_at = $2, revoked_by = $3, revision = {Next} where key_id = $1 and revoked_at is null", ct, id, at, by);
        return await FindAsync(id, ct);
    }

    private string Next => $"(select coalesce(max(revision), 0) + 1 from {schema}.access_key)";

    private async Task<AccessKey?> FindAsync(string id, CancellationToken ct) => (await ReadAsync($"select {Columns} from {schema}.access_key where key_id = $1", ct, id)).SingleOrDefault();

    /// <summary>One change at a time, so that revisions are committed in their order: an instance that has seen one has seen those before it.</summary>
    private async Task ChangeAsync(string sql, CancellationToken ct, params object[] values)
    {
        await MakeAsync(ct);
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await LockAsync(connection, ct);
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync(ct);
        await transaction.CommitAsync(ct);
    }

    private async Task<List<AccessKey>> ReadAsync(string sql, CancellationToken ct, params object[] values)
    {
        await using var command = database.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var keys = new List<AccessKey>();
        while (await reader.ReadAsync(ct))
            keys.Add(new(reader.GetString(0), reader.GetString(1), (Scope)reader.GetInt32(2), reader.IsDBNull(3) ? null : reader.GetString(3), reader.GetString(4), reader.GetString(5))
            {
                CreatedAt = reader.GetFieldValue<DateTimeOffset>(6), CreatedBy = reader.GetString(7),
                RevokedAt = reader.IsDBNull(8) ? null : reader.GetFieldValue<DateTimeOffset>(8), RevokedBy = reader.GetString(9),
            });
        return keys;
    }

    /// <exception cref="PostgresException">The schema is not there yet: whoever owns it makes it first.</exception>
    private async Task MakeAsync(CancellationToken ct)
    {
        if (_made) return;
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        await LockAsync(connection, ct);
        await using var command = new NpgsqlCommand($"""
            create table if not exists {schema}.access_key (
              key_id text primary key,
              name text not null,
              scopes integer not null,
              customer text,
              sha256 text not null unique,
              shown text not null,
              created_at timestamptz not null,
              created_by text not null,
              revoked_at timestamptz,
              revoked_by text not null,
              revision bigint not null unique
            )
            """, connection);
        await command.ExecuteNonQueryAsync(ct);
        await transaction.CommitAsync(ct);
        _made = true;
    }

    private async Task LockAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select pg_advisory_xact_lock(hashtext($1))", connection) { Parameters = { new() { Value = $"{schema}.access_key" } } };
        await command.ExecuteNonQueryAsync(ct);
    }
}
