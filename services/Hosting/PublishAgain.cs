using Npgsql;

namespace Hosting;

/// <summary>
/// For when a broker lost what it held: a new one, queues that were deleted, a database that went back to its backup. Publishers begin at the first event of the log again, when the service is
/// started next; whoever consumes what they publish takes it once, however often it comes. Nothing in the log changes.
/// </summary>
public static class PublishAgain
{
    /// <summary>The word for it on a service's command line.</summary>
    public const string Argument = "--publish-again";

    /// <param name="connectionString">of the role that owns the schema; no instance may run on it</param>
    /// <param name="publishers">names of subscriptions to the log, as their classes have them</param>
    /// <param name="keep">what a service that keeps its operations writes of it in the same transaction</param>
    /// <exception cref="RefusedException">service_running, or what <paramref name="keep"/> refuses; nothing is changed then</exception>
    /// <exception cref="NpgsqlException">The database does not answer, or holds no log.</exception>
    public static async Task RunAsync(string schema, string connectionString, IReadOnlyList<string> publishers, Func<NpgsqlTransaction, CancellationToken, Task>? keep = null, CancellationToken ct = default)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (!await ElectedDaemon.TryKeepOutAsync(connection, schema, ct))
            throw new Refusal("service_running", $"a service runs on the schema {schema}: stop every instance first").AsException();
        // To the daemon a publisher without progress has not begun; of one whose progress is 0 it would keep none.
        await using (var begin = new NpgsqlCommand($"delete from {schema}.mt_event_progression where name = any($1)", connection) { Parameters = { new() { Value = publishers.Select(p => $"{p}:All").ToArray() } } })
            await begin.ExecuteNonQueryAsync(ct);
        if (keep is not null) await keep(transaction, ct);
        await transaction.CommitAsync(ct);
    }

    /// <summary>The same as a service's command: says in one line what became of it.</summary>
    /// <returns>the exit code</returns>
    public static async Task<int> MainAsync(string schema, IReadOnlyList<string> publishers, Func<Task> run)
    {
        try
        {
            await run();
            await Console.Out.WriteLineAsync($"{string.Join(", ", publishers)}: from the first event again, when the service is started next");
            return 0;
        }
        catch (Exception e) when (e is RefusedException or ArgumentException || StoreFailure.Is(e))
        {
            await Console.Error.WriteLineAsync($"{schema}: {StoreFailure.Cause(e)}");
            return 1;
        }
    }
}
