using Billing.Operations;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>What is done to the books while no service runs is an event in them all the same, in the transaction that did it.</summary>
internal static class OfflineOperations
{
    public static DateTimeOffset Now => TimeProvider.System.GetUtcNow().ToUniversalTime();

    /// <param name="by">null is somebody who does not say who he is</param>
    public static async Task Keep(IDocumentSession session, NpgsqlConnection connection, OperationEvent done, Attribution? by, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("select coalesce(max(version), 0) from billing.mt_streams where id = $1", connection) { Parameters = { new() { Value = OperationsState.StreamId } } };
        var version = Convert.ToInt64(await command.ExecuteScalarAsync(ct), System.Globalization.CultureInfo.InvariantCulture);
        session.AppendExpecting<OperationEvent>(OperationsState.StreamId, version, Decision.Accept(done).By(by ?? new(Attribution.Anonymous, "")).Events);
        await session.SaveChangesAsync(ct);
    }
}
