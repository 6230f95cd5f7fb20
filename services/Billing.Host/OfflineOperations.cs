using Billing.Operations;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>What is done to the books while no service runs is an event in them all the same, in the transaction that did it.</summary>
internal static class OfflineOperations
{
    public static DateTimeOffset Now => TimeProvider.System.GetUtcNow().ToUniversalTime();

    /// <summary>Who orders it and why, where the service's own binary does it: in the environment's BILLING_ACTOR, or else whose process it is, and BILLING_REASON.</summary>
    /// <exception cref="RefusedException">actor_missing</exception>
    public static Attribution FromEnvironment()
    {
        var by = new Attribution(Environment.GetEnvironmentVariable("BILLING_ACTOR") ?? Environment.UserName, Environment.GetEnvironmentVariable("BILLING_REASON") ?? "");
        return by.Missing() is { } missing ? throw new Refusal(missing.Code, $"{missing.Detail}; say it in the environment's BILLING_ACTOR and BILLING_REASON").AsException() : by;
    }

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
