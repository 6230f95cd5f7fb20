using System.Data;
using Marten;
using Npgsql;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>The database as an auditor sees it: PostgreSQL itself refuses every write on these connections.</summary>
public sealed class AuditDatabase(string connectionString) : IAsyncDisposable
{
    public NpgsqlDataSource Source { get; } = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString)
    {
        Options = "-c default_transaction_read_only=on",
        ApplicationName = "billing audit",
    });

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}

/// <summary>One moment of it.</summary>
internal sealed record AuditSnapshot(NpgsqlConnection Connection, NpgsqlTransaction Transaction) : IAsyncDisposable
{
    public static async Task<AuditSnapshot> Open(AuditDatabase database, CancellationToken ct)
    {
        var connection = await database.Source.OpenConnectionAsync(ct);
        return new(connection, await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct));
    }

    /// <summary>On this moment. Its questions may take as long as the books are: whoever asks breaks them off.</summary>
    public IQuerySession Session(IDocumentStore store)
    {
        var options = SessionOptions.ForTransaction(Transaction);
        options.Timeout = 0;
        return store.QuerySession(options);
    }

    public async ValueTask DisposeAsync()
    {
        await Transaction.DisposeAsync();
        await Connection.DisposeAsync();
    }
}
