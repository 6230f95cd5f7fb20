using Billing.Operations;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>What is done to the books while no service runs is an event in them all the same, in the transaction that did it.</summary>
internal static class OfflineOperations
{
    public static DateTimeOffset Now => TimeProvider.System.GetUtcNow().ToUniversalTime();

    /// <summary>Before the work, which may take long.</summary>
    /// <exception cref="RefusedException">actor_missing</exception>
    public static void Demand(Attribution by)
    {
        if (by.Missing() is { } missing) throw missing.AsException();
    }

    /// <exception cref="RefusedException">actor_missing: what is done to the books so is administrative, always.</exception>
    public static async Task Keep(IDocumentSession session, NpgsqlConnection connection, OperationEvent done, Attribution by, CancellationToken ct)
    {
        Demand(by);
        await using var command = new NpgsqlCommand("select coalesce(max(version), 0) from billing.mt_streams where id = $1", connection) { Parameters = { new() { Value = OperationsState.StreamId } } };
        var version = Convert.ToInt64(await command.ExecuteScalarAsync(ct), System.Globalization.CultureInfo.InvariantCulture);
        session.AppendExpecting<OperationEvent>(OperationsState.StreamId, version, Decision.Accept(done).By(by).Events);
        await session.SaveChangesAsync(ct);
    }
}
