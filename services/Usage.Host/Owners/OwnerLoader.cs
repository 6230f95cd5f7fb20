using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using Usage.Caps;
using Usage.Host.Ledger;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Owners;

/// <summary>Reads owners back from the tables, many in one round trip.</summary>
public sealed class OwnerLoader(UsageStore store, BusinessClock clock, IOptions<UsageOptions> options) : IDisposable
{
    private const int GroupMax = 500;
    private const int AheadMax = 2_000;
    private static readonly TimeSpan Lately = TimeSpan.FromHours(1);
    private Lookups<Request, Loaded>? _requests;

    private sealed record Request(Guid Subscription, string Conversation, Guid Generation, bool OfOwner) : Lookup<Loaded>
    {
        public Loaded Loaded { get; init; } = new();
    }

    private Lookups<Request, Loaded> Requests => _requests ??= new(GroupMax, options.Value.LookupsWaitingMax, options.Value.LookupWait, Perform);

    /// <summary>Asked and not answered yet.</summary>
    public int Waiting => Requests.Waiting;

    public Task RunAsync() => Requests.RunAsync();
    public void Complete() => Requests.Complete();
    public void Dispose() => _requests?.Dispose();

    /// <summary>Returns when one more may be asked for: whoever brings many waits for this before each.</summary>
    public ValueTask RoomAsync(CancellationToken ct) => Requests.RoomAsync(ct);

    /// <param name="conversation">empty if none is asked for; likewise the generation</param>
    /// <param name="ofOwner">the subscription's terms, totals and slab too, which nobody needs whose owner is in memory</param>
    /// <param name="waits">for its place, if as many wait for the database as may</param>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    /// <exception cref="StoreNotReadyException">Nor did it in time.</exception>
    /// <exception cref="RefusedException">store_unavailable: as many wait as may</exception>
    public Task<Loaded> LoadAsync(Guid subscription, string conversation, Guid generation, bool ofOwner, bool waits, CancellationToken ct) =>
        Requests.AskAsync(new Request(subscription, conversation, generation, ofOwner), waits, ct);

    /// <summary>Returns when the totals of what is committed now are whole: with the next report of the shard, or at once.</summary>
    /// <param name="isBehind">what would be read lacks rows</param>
    /// <returns>whether it had to be waited for</returns>
    /// <exception cref="StoreNotReadyException">The report was due, and did not come in time.</exception>
    public async ValueTask<bool> WholeAsync(ShardWriter writer, bool isBehind, CancellationToken ct)
    {
        if (!isBehind) return false;
        try { await writer.ReportedAsync().WaitAsync(options.Value.LookupWait + TimeSpan.FromMilliseconds(options.Value.ReportIntervalMs), ct); }
        catch (TimeoutException) { throw new StoreNotReadyException(); }
        return true;
    }

    private async Task Perform(IReadOnlyList<Request> requests)
    {
        try
        {
            await ReadAsync(requests);
            foreach (var request in requests) request.Answer.TrySetResult(request.Loaded);
        }
        catch (Exception e) when (requests.Count > 1 && !StoreFailure.Is(e))
        {
            // Something is wrong with one of them: asked alone, only that one fails.
            foreach (var request in requests) await Perform([request with { Loaded = new() }]);
        }
        catch (Exception e)
        {
            // Whoever asked is told, and decides: this loop serves everyone else.
            foreach (var request in requests) request.Answer.TrySetException(e);
        }
    }

    private async Task ReadAsync(IReadOnlyList<Request> requests)
    {
        var questions = Questions(requests);
        if (questions.Count == 0) return;
        await using var connection = await store.DataSource.OpenConnectionAsync();
        // Nobody waits for it longer.
        await using var batch = new NpgsqlBatch(connection) { Timeout = options.Value.UnaryWaitSecondsMax };
        foreach (var question in questions) batch.BatchCommands.Add(question.Query);
        await using var reader = await batch.ExecuteReaderAsync();
        foreach (var (_, take) in questions)
        {
            while (await reader.ReadAsync()) take(reader);
            await reader.NextResultAsync();
        }
    }

    /// <summary>What is asked, and what is done with each row of the answer. Most ask after a conversation or a generation only: an owner is read once.</summary>
    private List<(NpgsqlBatchCommand Query, Action<NpgsqlDataReader> Take)> Questions(IReadOnlyList<Request> requests)
    {
        var questions = new List<(NpgsqlBatchCommand, Action<NpgsqlDataReader>)>();
        var ofOwners = requests.Where(r => r.OfOwner).ToLookup(r => r.Subscription);
        if (ofOwners.Count > 0) AskForOwners(questions, ofOwners);

        Request[] ofConversations = [.. requests.Where(r => r.Conversation.Length > 0)];
        if (ofConversations.Length > 0)
            questions.Add((
                Query("""
                    select k.n, c.input, c.cached_input, c.cache_creation, c.output, c.reasoning
                    from unnest($1::uuid[], $2::text[]) with ordinality k(subscription, conversation, n) join usage.conversation c using (subscription, conversation)
                    """, ofConversations.Select(r => r.Subscription).ToArray(), ofConversations.Select(r => r.Conversation).ToArray()),
                row => ofConversations[(int)row.GetInt64(0) - 1].Loaded.ConversationUsed = ReadTally(row, 1)));

        var ofGenerations = requests.Where(r => r.Generation != Guid.Empty).ToLookup(r => r.Generation);
        if (ofGenerations.Count > 0)
            questions.Add((
                Query("""
                    select generation, subscription, conversation, model, mode, prompt_input, prompt_cached_input, prompt_cache_creation, output_tokens_max,
                      last_sequence, reported_output, reported_reasoning, output, reasoning, overrun, finish
                    from usage.generation where generation = any($1)
                    """, ofGenerations.Select(g => g.Key).ToArray()),
                row =>
                {
                    var generation = ReadGeneration(row);
                    foreach (var request in ofGenerations[generation.Header.Id]) request.Loaded.Generation = generation;
                }));
        return questions;
    }

    private void AskForOwners(List<(NpgsqlBatchCommand Query, Action<NpgsqlDataReader> Take)> questions, ILookup<Guid, Request> requests)
    {
        var subscriptions = requests.Select(r => r.Key).ToArray();
        var (now, lately) = (Partitions.FirstIdAt(clock.Now, TimeSpan.FromMilliseconds(1)), Partitions.FirstIdAt(clock.Now, -Lately));
        questions.Add((
            Query("select subscription, terms::text from usage.subscription where subscription = any($1)", subscriptions),
            row =>
            {
                var terms = JsonSerializer.Deserialize<SubscriptionTerms>(row.GetString(1));
                foreach (var request in requests[row.GetGuid(0)]) request.Loaded.Terms = terms;
            }));
        questions.Add((
            Query("""
                select t.subscription, t.period, sum(t.input)::bigint, sum(t.cached_input)::bigint, sum(t.cache_creation)::bigint, sum(t.output)::bigint, sum(t.reasoning)::bigint
                from usage.period_total t join usage.subscription s using (subscription)
                where t.subscription = any($1) and t.period = any(s.periods) group by t.subscription, t.period
                """, subscriptions),
            row =>
            {
                foreach (var request in requests[row.GetGuid(0)]) request.Loaded.Periods.Add((row.GetGuid(1), ReadTally(row, 2)));
            }));
        questions.Add((
            Query("""
                select subscription, kind, opened_at, closes_at, input, cached_input, cache_creation, output, reasoning
                from usage.window_total where subscription = any($1) and closes_at > $2 and opened_at <= $3
                """, subscriptions, clock.Now, clock.Now + OpenWindow.ClockSkewMax),
            row =>
            {
                var window = new OpenWindow(TokenNames.ParseWindow(row.GetString(1)), row.GetFieldValue<DateTimeOffset>(2), row.GetFieldValue<DateTimeOffset>(3));
                foreach (var request in requests[row.GetGuid(0)]) request.Loaded.Windows.Add((window, ReadTally(row, 4)));
            }));
        questions.Add((
            Query("select subscription, epoch, tokens, lease_until, inherited::text, clock_timestamp() from usage.slab where subscription = any($1)", subscriptions),
            row =>
            {
                var inherited = JsonSerializer.Deserialize<InheritedSlab[]>(row.GetString(4))!;
                // Looked at after it was answered: by what that took a lease ends too late here, and never too early.
                var ahead = row.GetFieldValue<DateTimeOffset>(5) - TimeProvider.System.GetUtcNow();
                InheritedSlab[] slabs = [new(row.GetInt64(2), row.GetFieldValue<DateTimeOffset>(3)), .. inherited];
                foreach (var request in requests[row.GetGuid(0)])
                    request.Loaded.Slab = (row.GetInt64(1), [.. slabs.Select(slab => slab with { Until = slab.Until - ahead })]);
            }));
        // In one statement, so that it is one state of the table. Of very many that are ahead the highest says enough, and where none is of late so does that
        // moment: then tables are asked more often than they need be. Each bound spares the planner the partitions of all other days.
        questions.Add((
            Query($"""
                with ahead as materialized (select subscription, generation from usage.generation where generation > $1 limit {AheadMax + 1})
                select null, case when (select count(*) from ahead) > {AheadMax} then (select generation from usage.generation where generation > $1 order by generation desc limit 1)
                  else coalesce((select generation from usage.generation where generation > $3 and generation <= $1 order by generation desc limit 1), $3) end
                union all select subscription, generation from ahead where subscription = any($2)
                """, now, subscriptions, lately),
            row =>
            {
                var generation = row.GetGuid(1);
                if (row.IsDBNull(0))
                    foreach (var request in requests.SelectMany(r => r)) request.Loaded.LastGeneration = generation;
                else
                    foreach (var request in requests[row.GetGuid(0)]) request.Loaded.GenerationsAhead.Add(generation);
            }));
    }

    private static NpgsqlBatchCommand Query(string sql, params object[] parameters)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var parameter in parameters) command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        return command;
    }

    private static Tally ReadTally(NpgsqlDataReader reader, int from) =>
        new(reader.GetInt64(from), reader.GetInt64(from + 1), reader.GetInt64(from + 2), reader.GetInt64(from + 3), reader.GetInt64(from + 4));

    private static (GenerationHeader Header, RecordedGeneration Recorded) ReadGeneration(NpgsqlDataReader reader)
    {
        var prompt = new Tally(reader.GetInt64(5), reader.GetInt64(6), reader.GetInt64(7), 0, 0);
        var header = new GenerationHeader(
            reader.GetGuid(0), reader.GetGuid(1), reader.GetString(2), reader.GetString(3), prompt, reader.GetInt64(8), (CountMode)reader.GetInt16(4));
        var recorded = new RecordedGeneration(
            reader.GetInt64(9), new Tally(0, 0, 0, reader.GetInt64(10), reader.GetInt64(11)), new Tally(0, 0, 0, reader.GetInt64(12), reader.GetInt64(13)),
            reader.GetInt64(14), (FinishReason)reader.GetInt16(15));
        return (header, recorded);
    }
}
