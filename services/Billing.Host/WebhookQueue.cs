using Billing.Webhooks;
using Npgsql;

namespace Billing.Host;

/// <summary>A delivery that this instance sends now, and nobody else does.</summary>
/// <param name="Attempts">that were made before, in all</param>
/// <param name="Step">likewise, by the schedule that runs</param>
public sealed record ClaimedDelivery(string EndpointId, long Sequence, string Url, int Attempts, int Step);

/// <summary>How many deliveries wait, and how many enabled endpoints take nothing.</summary>
public sealed record WebhookLoad(long Pending, long FailingEndpoints);

/// <summary>
/// The queue of deliveries, shared by every instance. One is taken by a claim that runs out: who dies with it leaves it to the others. Of an object only the earliest that is pending can be taken,
/// so what happened later waits for it, and nothing else does. Whoever has the fewest on their way comes first: endpoints that stall keep no place from one that answers.
/// </summary>
public sealed class WebhookQueue(NpgsqlDataSource database)
{
    /// <summary>Beyond the time that an endpoint has to answer in.</summary>
    private static readonly TimeSpan ClaimSlack = TimeSpan.FromSeconds(5);
    private static int _count;
    private readonly string _me = $"{Environment.MachineName}/{Environment.ProcessId}/{Interlocked.Increment(ref _count)}";

    /// <summary>What waits is claimed by what the endpoint hears now: it may have been queued when that was more.</summary>
    /// <param name="room">at most so many</param>
    /// <param name="perEndpoint">and at most so many of one endpoint that are on their way at once</param>
    public async Task<IReadOnlyList<ClaimedDelivery>> Claim(int room, int perEndpoint, TimeSpan timeout, DateTimeOffset now, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            update billing.webhook_delivery d set claimed_by = $1, claimed_until = clock_timestamp() + $2
            from (
                select due.endpoint_id, due.sequence, endpoint.url
                from (
                    select v.id, v.data -> 'state' ->> 'url' as url, v.data -> 'state' -> 'types' as types,
                        (select count(*) from billing.webhook_delivery c where c.endpoint_id = v.id and c.status = 'pending' and c.claimed_until >= clock_timestamp()) as sending
                    from billing.mt_doc_webhookendpointview v
                    where v.data ->> 'status' = 'enabled' and exists (select from billing.webhook_secret s where s.endpoint_id = v.id and s.valid_until is null)
                ) as endpoint
                cross join lateral (
                    select p.endpoint_id, p.sequence, p.due_at from billing.webhook_delivery p
                    where p.endpoint_id = endpoint.id and p.status = 'pending' and p.due_at <= $3 and (endpoint.types = '[]' or endpoint.types ? p.type) and (p.claimed_until is null or p.claimed_until < clock_timestamp())
                        and not exists (select from billing.webhook_delivery b where b.endpoint_id = p.endpoint_id and b.stream_id = p.stream_id and b.status = 'pending' and b.sequence < p.sequence
                            and (endpoint.types = '[]' or endpoint.types ? b.type))
                    order by p.due_at, p.sequence
                    limit greatest(0, $4 - endpoint.sending)
                    for update of p skip locked
                ) as due
                order by endpoint.sending + row_number() over (partition by due.endpoint_id order by due.due_at, due.sequence), due.due_at, due.sequence
                limit $5
            ) as taken
            where d.endpoint_id = taken.endpoint_id and d.sequence = taken.sequence
            returning d.endpoint_id, d.sequence, taken.url, d.attempts, d.step
            """);
        foreach (var value in new object[] { _me, timeout + ClaimSlack, now, perEndpoint, room }) command.Parameters.Add(new() { Value = value });
        var claimed = new List<ClaimedDelivery>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) claimed.Add(new(reader.GetString(0), reader.GetInt64(1), reader.GetString(2), reader.GetInt32(3), reader.GetInt32(4)));
        return claimed;
    }

    /// <summary>What came of an attempt. Nothing is written when the claim ran out and another instance has it.</summary>
    /// <param name="nextAt">when it is tried again; null when it is not</param>
    /// <returns>since when the endpoint has taken nothing; null when it takes what it is sent, and when it was sent nothing</returns>
    public async Task<DateTimeOffset?> Record(ClaimedDelivery delivery, WebhookAnswer answer, DateTimeOffset? nextAt, DateTimeOffset at, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var status = answer.IsDelivered ? "delivered" : nextAt is null ? "failed" : "pending";
        var mine = await Execute(connection, """
            update billing.webhook_delivery set status = $4, attempts = attempts + 1, step = step + 1, due_at = $5, claimed_by = null, claimed_until = null
            where endpoint_id = $1 and sequence = $2 and claimed_by = $3
            """, ct, delivery.EndpointId, delivery.Sequence, _me, status, status == "pending" ? nextAt! : at);
        if (mine == 0) return null;
        await Execute(connection, "insert into billing.webhook_attempt (endpoint_id, sequence, number, at, outcome, status, detail, milliseconds) values ($1, $2, $3, $4, $5, $6, $7, $8)", ct,
            delivery.EndpointId, delivery.Sequence, delivery.Attempts + 1, at, answer.Outcome, answer.Status, answer.Detail, (int)answer.Took.TotalMilliseconds);
        if (answer.IsOfBilling)
        {
            await transaction.CommitAsync(ct);
            return null;
        }
        await using var standing = new NpgsqlCommand("""
            insert into billing.webhook_standing as s (endpoint_id, failing_since, last_error, delivered_at) values ($1, case when $2 then null else $3 end, $4, case when $2 then $3 end)
            on conflict (endpoint_id) do update set
                failing_since = case when $2 then null else coalesce(s.failing_since, $3) end, last_error = $4, delivered_at = case when $2 then $3 else s.delivered_at end
            returning failing_since
            """, connection);
        foreach (var value in new object[] { delivery.EndpointId, answer.IsDelivered, at, answer.IsDelivered ? "" : answer.Detail }) standing.Parameters.Add(new() { Value = value });
        var since = await standing.ExecuteScalarAsync(ct) as DateTime?;
        await transaction.CommitAsync(ct);
        return since is { } failing ? new DateTimeOffset(failing) : null;
    }

    /// <summary>Written with the event that enables or changes an endpoint: it has its three days again.</summary>
    public static void Forgive(Marten.IDocumentSession session, string endpointId) =>
        session.QueueSqlCommand("update billing.webhook_standing set failing_since = null where endpoint_id = ?", endpointId);

    public async Task<WebhookLoad> Load(CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            select (select count(*) from billing.webhook_delivery where status = 'pending'),
                (select count(*) from billing.webhook_standing s join billing.mt_doc_webhookendpointview v on v.id = s.endpoint_id where s.failing_since is not null and v.data ->> 'status' = 'enabled')
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new(reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <summary>Takes what was done before a moment off the list.</summary>
    public async Task ForgetBefore(DateTimeOffset before, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            with gone as (delete from billing.webhook_delivery where status <> 'pending' and due_at < $1 returning endpoint_id, sequence)
            delete from billing.webhook_attempt a using gone where a.endpoint_id = gone.endpoint_id and a.sequence = gone.sequence
            """);
        command.Parameters.Add(new() { Value = before });
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task<int> Execute(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteNonQueryAsync(ct);
    }
}
