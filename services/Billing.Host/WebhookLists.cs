using Billing.Webhooks;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Npgsql;

namespace Billing.Host;

/// <summary>What became of deliveries, as endpoints and lists show it.</summary>
public sealed class WebhookLists(NpgsqlDataSource database)
{
    /// <summary>The endpoints, and how it goes with each.</summary>
    public async Task WithStanding(IReadOnlyCollection<WebhookEndpoint> endpoints, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            select i.id, s.failing_since, coalesce(s.last_error, ''), s.delivered_at,
                (select count(*) from billing.webhook_delivery d where d.endpoint_id = i.id and d.status = 'pending'),
                (select count(*) from billing.webhook_delivery d where d.endpoint_id = i.id and d.status = 'failed'),
                exists (select from billing.webhook_secret k where k.endpoint_id = i.id and k.valid_until is null)
            from unnest($1) as i (id) left join billing.webhook_standing s on s.endpoint_id = i.id
            """);
        command.Parameters.Add(new() { Value = endpoints.Select(e => e.EndpointId).ToArray() });
        var byId = endpoints.ToDictionary(e => e.EndpointId);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var endpoint = byId[reader.GetString(0)];
            endpoint.FailingSince = Time(reader, 1);
            endpoint.LastError = reader.GetString(2);
            endpoint.DeliveredAt = Time(reader, 3);
            (endpoint.Pending, endpoint.Failed, endpoint.HasSecret) = (reader.GetInt64(4), reader.GetInt64(5), reader.GetBoolean(6));
        }
    }

    /// <param name="before">only events with a lower number</param>
    public async Task<IReadOnlyList<WebhookDelivery>> Deliveries(string endpointId, string status, string subject, long before, int most, CancellationToken ct)
    {
        var found = new List<WebhookDelivery>();
        await using (var command = database.CreateCommand("""
            select d.sequence, e.id, d.type, d.stream_id, d.status, d.due_at from billing.webhook_delivery d join billing.mt_events e on e.seq_id = d.sequence
            where d.endpoint_id = $1 and ($2 = '' or d.status = $2) and ($3 = '' or d.stream_id = $3) and d.sequence < $4 order by d.sequence desc limit $5
            """))
        {
            foreach (var value in new object[] { endpointId, status, subject, before, most }) command.Parameters.Add(new() { Value = value });
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct))
                found.Add(new()
                {
                    Sequence = reader.GetInt64(0), EventId = Ids.Format(WebhookState.EventIdPrefix, reader.GetGuid(1)), Type = reader.GetString(2), Subject = reader.GetString(3),
                    Status = reader.GetString(4), DueAt = reader.GetString(4) == "pending" ? Time(reader, 5) : null,
                });
        }
        await AddAttempts(endpointId, found, ct);
        return found;
    }

    private async Task AddAttempts(string endpointId, List<WebhookDelivery> deliveries, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            "select sequence, number, at, outcome, status, detail, milliseconds from billing.webhook_attempt where endpoint_id = $1 and sequence = any($2) order by sequence, number");
        command.Parameters.Add(new() { Value = endpointId });
        command.Parameters.Add(new() { Value = deliveries.Select(d => d.Sequence).ToArray() });
        var bySequence = deliveries.ToDictionary(d => d.Sequence);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
            bySequence[reader.GetInt64(0)].Attempts.Add(new WebhookAttempt
            {
                Number = reader.GetInt32(1), At = Time(reader, 2), Outcome = reader.GetString(3), Status = reader.GetInt32(4), Detail = reader.GetString(5), Milliseconds = reader.GetInt32(6),
            });
    }

    /// <summary>The number of the event that disabled an endpoint last: since then it was told nothing.</summary>
    public async Task<long> DisabledBy(string endpointId, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select coalesce(max(seq_id), 1) from billing.mt_events where stream_id = $1 and type = 'webhook_endpoint_disabled'");
        command.Parameters.Add(new() { Value = endpointId });
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>What an event is announced as, and the object that it is of; null when there is no such event, or nobody is told of it.</summary>
    public async Task<(string Type, string Subject)?> Announced(long sequence, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select type, stream_id from billing.mt_events where seq_id = $1");
        command.Parameters.Add(new() { Value = sequence });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) && WebhookAnnouncer.AnnouncedAs(reader.GetString(0)) is { } type ? (type, reader.GetString(1)) : null;
    }

    /// <summary>The number of the first event from a moment of business time on that is announced to anybody; one beyond the log when there is none.</summary>
    public async Task<long> FirstFrom(DateTimeOffset from, CancellationToken ct)
    {
        await using var command = database.CreateCommand(
            "select coalesce(min(seq_id) filter (where type = any($1) and (data ->> 'at')::timestamptz >= $2), max(seq_id) + 1, 1) from billing.mt_events");
        command.Parameters.Add(new() { Value = WebhookAnnouncer.StoredTypes });
        command.Parameters.Add(new() { Value = from });
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>The events of which every delivery is listed: from the first one on that happened since, for what is stored after it is delivered after it. What is told to nobody does not count.</summary>
    public async Task<KeptDeliveries> Kept(string endpointId, DateTimeOffset since, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            select coalesce(max(seq_id), 0) + 1, (select through + 1 from billing.webhook_imported where endpoint_id = $4) from billing.mt_events
            where type = any($1) and seq_id < coalesce((select min(seq_id) from billing.mt_events where type = any($1) and (data ->> 'at')::timestamptz >= $2), $3)
            """);
        foreach (var value in new object[] { WebhookAnnouncer.StoredTypes, since, long.MaxValue, endpointId }) command.Parameters.Add(new() { Value = value });
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new(since, reader.GetInt64(0), reader.IsDBNull(1) ? 0 : reader.GetInt64(1));
    }

    private static Timestamp? Time(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<DateTimeOffset>(column).ToTimestamp();
}
