using System.Globalization;
using Billing.Periods;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// Appends the events of a report, one to each of its periods, by one statement. Marten calls a function for each stream, and two thousand streams a second are what a report
/// every sixteenth of a second speaks of. The rows are those that Marten would have written, in the order in which it writes them: whoever else
/// appends to one of the streams at that moment collides with us, or we with him, and the one that loses reads again.
/// </summary>
internal sealed class UsageAppends
{
    private const string Sql = """
        with usage as (
            select u.id, u.period, u.data, s.version + 1 as version
            from unnest($1, $2, $3) as u(id, period, data) join billing.mt_streams s on s.id = u.period order by u.period),
        appended as (
            insert into billing.mt_events (seq_id, id, stream_id, version, data, type, timestamp, mt_dotnet_type)
            select nextval('billing.mt_events_sequence'), id, period, version, data::jsonb, $4, now(), $5 from usage
            returning stream_id, version)
        update billing.mt_streams s set version = a.version, timestamp = now() from appended a where s.id = a.stream_id
        """;
    private readonly ISerializer _serializer;
    private readonly string _typeName, _dotnetTypeName;

    public UsageAppends(IDocumentStore store)
    {
        var type = store.Options.Events.AllKnownEventTypes().Single(t => t.EventType == typeof(UsageApplied));
        (_serializer, _typeName, _dotnetTypeName) = (store.Options.Serializer(), type.EventTypeName, type.DotNetTypeName);
    }

    /// <param name="connection">within the transaction that notes the report as applied</param>
    /// <param name="usages">one for each period, whose stream is there</param>
    public async Task Append(NpgsqlConnection connection, IReadOnlyList<PeriodUsage> usages, CancellationToken ct)
    {
        if (usages.Count == 0) return;
        await using var command = new NpgsqlCommand(Sql, connection);
        foreach (var value in new object[]
        {
            usages.Select(u => IdOf(u)).ToArray(), usages.Select(u => u.Period.PeriodId).ToArray(), usages.Select(u => _serializer.ToCleanJson(u.Event)).ToArray(), _typeName, _dotnetTypeName,
        })
            command.Parameters.Add(new() { Value = value });
        var appended = await command.ExecuteNonQueryAsync(ct);
        // An insert that is returned counts, and so does the stream that it was counted in.
        if (appended != usages.Count) throw new InvalidOperationException($"{appended} of {usages.Count} events of report {usages[0].Event.Report} were appended: a stream is missing");
    }

    /// <summary>Somebody else appended to one of the streams between our reading of its version and our writing.</summary>
    public static bool IsConflict(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, TableName: "mt_events" };

    private static Guid IdOf(PeriodUsage usage) => Ids.DeriveGuid(
        usage.Event.RecordedAt, usage.Period.PeriodId, usage.Event.Shard.ToString(CultureInfo.InvariantCulture), usage.Event.Report.ToString(CultureInfo.InvariantCulture));
}
