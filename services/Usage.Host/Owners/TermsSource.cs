using System.Collections.Concurrent;
using System.Text.Json;
using Contracts.Billing.V1;
using Grpc.Core;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using Usage.Caps;
using Usage.Host.Store;

namespace Usage.Host.Owners;

/// <param name="Terms">null if billing does not know the subscription, has nothing newer, or was not asked or does not answer</param>
/// <param name="TooMany">it was not asked, for it is being asked about as many others as it may</param>
public readonly record struct TermsAnswer(SubscriptionTerms? Terms, bool TooMany = false);

/// <summary>
/// Terms of subscriptions: kept as billing sends them, asked for when they are missing. Storing is an upsert in which the higher version
/// wins, so a snapshot that is late, lost, repeated or out of order does no harm.
/// </summary>
public sealed class TermsSource(UsageStore store, Billing.BillingClient billing, BusinessClock clock, IOptions<UsageOptions> options, ILogger<TermsSource> log) : IDisposable
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(3);
    private const int AnswersMax = 100_000;
    private readonly ConcurrentDictionary<(Guid Subscription, bool Waits), Lazy<Task<TermsAnswer>>> _asking = new();
    private readonly SemaphoreSlim _asks = new(options.Value.BillingAsksMax);
    private readonly ConcurrentDictionary<Guid, (long Until, bool Unknown)> _nothingNewer = new();

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
        _nothingNewer.TryRemove(terms.Subscription, out _);
        return terms;
    }

    /// <summary>
    /// Asks billing, once for all who ask at the same time (and wait alike), about so many subscriptions at once, and not again for a while if it had nothing that helps.
    /// </summary>
    /// <param name="waits">for its turn, if billing is being asked about as many as it may: for subscriptions that are known to be, whom a flood of invented ones must not hurt</param>
    public Task<TermsAnswer> AskAsync(Guid subscription, bool waits)
    {
        if (_nothingNewer.TryGetValue(subscription, out var answered) && Environment.TickCount64 < answered.Until) return Task.FromResult(new TermsAnswer());
        return _asking.GetOrAdd((subscription, waits), asked => new Lazy<Task<TermsAnswer>>(() => AskNowAsync(asked.Subscription, asked.Waits))).Value;
    }

    /// <summary>What whoever asked is told when <see cref="TermsAnswer.TooMany"/>.</summary>
    public Refusal TooMany => new(
        Reasons.LookupsTooMany, $"usage has not heard of this subscription, and billing is being asked about {options.Value.BillingAsksMax} others, as many as may be at once; ask again in a second");

    /// <summary>Whether billing said so when it was asked last; false also if it did not answer.</summary>
    public bool IsUnknownToBilling(Guid subscription) => _nothingNewer.TryGetValue(subscription, out var answered) && answered.Unknown;

    private async Task<TermsAnswer> AskNowAsync(Guid subscription, bool waits)
    {
        var isAsking = false;
        try
        {
            isAsking = await _asks.WaitAsync(waits ? AnswerWithin : TimeSpan.Zero);
            if (!isAsking) return new TermsAnswer(null, TooMany: true);
            var answer = await billing.GetSubscriptionAsync(
                new GetSubscriptionRequest { SubscriptionId = Ids.Format(Ids.Subscription, subscription) }, deadline: DeadlineFromNow());
            var terms = await StoreAsync(SnapshotTerms.Of(answer), CancellationToken.None);
            if (terms.IsStaleAt(clock.Now)) HasNothing(subscription, isUnknown: false);
            return new TermsAnswer(terms);
        }
        catch (Exception e) when (e is RpcException or FormatException || StoreFailure.Is(e))
        {
            if (e is not RpcException { StatusCode: StatusCode.NotFound })
                log.LogWarning("billing could not be asked about {Subscription}: {Cause}", Ids.Format(Ids.Subscription, subscription), e.Message);
            HasNothing(subscription, e is RpcException { StatusCode: StatusCode.NotFound });
            return new TermsAnswer();
        }
        finally
        {
            if (isAsking) _asks.Release();
            _asking.TryRemove((subscription, waits), out _);
        }
    }

    private void HasNothing(Guid subscription, bool isUnknown)
    {
        if (_nothingNewer.Count >= AnswersMax) _nothingNewer.Clear();
        _nothingNewer[subscription] = (Environment.TickCount64 + 1_000L * options.Value.BillingAskedAgainSeconds, isUnknown);
    }

    public void Dispose() => _asks.Dispose();

    private static DateTime DeadlineFromNow() => TimeProvider.System.GetUtcNow().UtcDateTime + AnswerWithin;
}
