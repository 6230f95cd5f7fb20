using System.Collections.Concurrent;
using System.Text.Json;
using Contracts.Billing.V1;
using Grpc.Core;
using Npgsql;
using NpgsqlTypes;
using Usage.Caps;
using Usage.Host.Store;

namespace Usage.Host.Owners;

/// <summary>
/// Terms of subscriptions: kept as billing sends them, asked for when they are missing. Storing is an upsert in which the higher version
/// wins, so a snapshot that is late, lost, repeated or out of order does no harm.
/// </summary>
public sealed class TermsSource(UsageStore store, Billing.BillingClient billing, ILogger<TermsSource> log)
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan RemembersRefusal = TimeSpan.FromSeconds(2);
    private const int RefusalsMax = 100_000;
    private readonly ConcurrentDictionary<Guid, Lazy<Task<SubscriptionTerms?>>> _asking = new();
    private readonly ConcurrentDictionary<Guid, (long Until, bool Unknown)> _refused = new();

    /// <summary>Stores a snapshot. Returns the terms as they now stand, which may be newer ones.</summary>
    public async Task<SubscriptionTerms> StoreAsync(SubscriptionTerms terms, CancellationToken ct)
    {
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // The first two snapshots of a subscription may come at once, when there is no row yet to lock.
        await UsageStore.Execute(connection, "select pg_advisory_xact_lock(hashtextextended($1, 0))", ct, terms.Subscription.ToString());
        var stored = await UsageStore.Scalar(connection, "select terms::text from usage.subscription where subscription = $1", ct, terms.Subscription) is string json
            ? JsonSerializer.Deserialize<SubscriptionTerms>(json)
            : null;
        // The same version may say more than an earlier release had kept of it.
        if (stored is not null && (stored.Version > terms.Version || (stored.Version == terms.Version && (stored.Customer is not null || terms.Customer is null)))) return stored;

        terms = terms.After(stored);
        await using var command = new NpgsqlCommand("""
            insert into usage.subscription (subscription, version, terms, periods) values ($1, $2, $3, $4)
            on conflict (subscription) do update set version = excluded.version, terms = excluded.terms, periods = excluded.periods
            """, connection);
        Guid[] periods = terms.Previous is { } previous ? [previous.Id, terms.Current.Id, terms.Next.Id] : [terms.Current.Id, terms.Next.Id];
        command.Parameters.Add(new NpgsqlParameter { Value = terms.Subscription });
        command.Parameters.Add(new NpgsqlParameter { Value = terms.Version });
        command.Parameters.Add(new NpgsqlParameter { Value = JsonSerializer.Serialize(terms), NpgsqlDbType = NpgsqlDbType.Jsonb });
        command.Parameters.Add(new NpgsqlParameter { Value = periods });
        await command.ExecuteNonQueryAsync(ct);
        await transaction.CommitAsync(ct);
        _refused.TryRemove(terms.Subscription, out _);
        return terms;
    }

    /// <summary>Asks billing, once for all who ask at the same time. Null: it does not know the subscription, or does not answer.</summary>
    public Task<SubscriptionTerms?> AskAsync(Guid subscription)
    {
        if (_refused.TryGetValue(subscription, out var refused) && Environment.TickCount64 < refused.Until) return Task.FromResult<SubscriptionTerms?>(null);
        return _asking.GetOrAdd(subscription, id => new Lazy<Task<SubscriptionTerms?>>(() => AskNowAsync(id))).Value;
    }

    /// <summary>Whether billing said so when it was asked last; false also if it did not answer.</summary>
    public bool IsUnknownToBilling(Guid subscription) => _refused.TryGetValue(subscription, out var refused) && refused.Unknown;

    private async Task<SubscriptionTerms?> AskNowAsync(Guid subscription)
    {
        try
        {
            var answer = await billing.GetSubscriptionAsync(
                new GetSubscriptionRequest { SubscriptionId = Ids.Format(Ids.Subscription, subscription) }, deadline: DeadlineFromNow());
            return await StoreAsync(SnapshotTerms.Of(answer), CancellationToken.None);
        }
        catch (Exception e) when (e is RpcException or FormatException || StoreFailure.Is(e))
        {
            if (e is not RpcException { StatusCode: StatusCode.NotFound })
                log.LogWarning("billing could not be asked about {Subscription}: {Cause}", Ids.Format(Ids.Subscription, subscription), e.Message);
            if (_refused.Count >= RefusalsMax) _refused.Clear();
            _refused[subscription] = (Environment.TickCount64 + (long)RemembersRefusal.TotalMilliseconds, e is RpcException { StatusCode: StatusCode.NotFound });
            return null;
        }
        finally
        {
            _asking.TryRemove(subscription, out _);
        }
    }

    private static DateTime DeadlineFromNow() => TimeProvider.System.GetUtcNow().UtcDateTime + AnswerWithin;
}
