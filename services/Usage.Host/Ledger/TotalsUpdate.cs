using Npgsql;
using Usage.Caps;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>
/// The sums of a commit added to the totals. One shard's writer alone updates its subscriptions' totals: writers never wait for each
/// other, so they cannot deadlock.
/// </summary>
public static class TotalsUpdate
{
    public static void AddTo(NpgsqlBatch batch, CommitSums sums)
    {
        AddPeriods(batch, sums.Periods);
        if (sums.Windows.Count > 0) AddWindows(batch, sums.Windows);
    }

    public static void AddTo(NpgsqlBatch batch, RunningTotals due)
    {
        if (due.Generations.Count == 0) return;
        AddConversations(batch, due.Conversations);
        AddGenerations(batch, due.Generations);
    }

    private static void AddPeriods(NpgsqlBatch batch, IReadOnlyDictionary<(Guid Subscription, Guid Period, Guid Plan), Sum> sums)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.period_total as t (subscription, period, plan, input, cached_input, cache_creation, output, reasoning, overrun, period_end)
            select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[])
            on conflict (subscription, period, plan) do update set input = t.input + excluded.input, cached_input = t.cached_input + excluded.cached_input,
              cache_creation = t.cache_creation + excluded.cache_creation, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning,
              overrun = t.overrun + excluded.overrun, period_end = excluded.period_end
            """);
        Column(command, sums, k => k.Key.Subscription);
        Column(command, sums, k => k.Key.Period);
        Column(command, sums, k => k.Key.Plan);
        Tokens(command, sums);
        Column(command, sums, k => k.Value.Overrun);
        Column(command, sums, k => k.Value.Last.Period.End);
        batch.BatchCommands.Add(command);
    }

    private static void AddWindows(NpgsqlBatch batch, IReadOnlyDictionary<(Guid Subscription, OpenWindow Window), Sum> sums)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.window_total as t (subscription, kind, opened_at, closes_at, input, cached_input, cache_creation, output, reasoning)
            select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
            on conflict (subscription, kind, opened_at) do update set input = t.input + excluded.input, cached_input = t.cached_input + excluded.cached_input,
              cache_creation = t.cache_creation + excluded.cache_creation, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning
            """);
        Column(command, sums, k => k.Key.Subscription);
        Column(command, sums, k => k.Key.Window.Window.Name());
        Column(command, sums, k => k.Key.Window.OpenedAt);
        Column(command, sums, k => k.Key.Window.ClosesAt);
        Tokens(command, sums);
        batch.BatchCommands.Add(command);
    }

    /// <remarks>
    /// While something runs in a conversation its last activity is kept to the minute: nobody asks for a running one's, and an update that
    /// leaves indexed columns alone costs no index entry.
    /// </remarks>
    private static void AddConversations(NpgsqlBatch batch, IReadOnlyDictionary<(Guid Subscription, string Conversation), Sum> sums)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.conversation as t (subscription, conversation, plan, input, cached_input, cache_creation, output, reasoning, overrun, finish, last_activity)
            select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::smallint[], $11::timestamptz[])
            on conflict (subscription, conversation) do update set plan = excluded.plan, input = t.input + excluded.input, cached_input = t.cached_input + excluded.cached_input,
              cache_creation = t.cache_creation + excluded.cache_creation, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning,
              overrun = t.overrun + excluded.overrun, finish = excluded.finish,
              last_activity = case when excluded.finish = 0 and excluded.last_activity < t.last_activity + interval '1 minute' then t.last_activity
                else greatest(t.last_activity, excluded.last_activity) end
            """);
        Column(command, sums, k => k.Key.Subscription);
        Column(command, sums, k => k.Key.Conversation);
        Column(command, sums, k => k.Value.Last.Plan);
        Tokens(command, sums);
        Column(command, sums, k => k.Value.Overrun);
        Column(command, sums, k => (short)k.Value.Last.Finish);
        Column(command, sums, k => k.Value.Last.ReceivedAt);
        batch.BatchCommands.Add(command);
    }

    private static void AddGenerations(NpgsqlBatch batch, IReadOnlyDictionary<Guid, Sum> sums)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.generation as t (generation, subscription, conversation, model, mode, prompt_input, prompt_cached_input, prompt_cache_creation,
              output_tokens_max, last_sequence, reported_output, reported_reasoning, output, reasoning, overrun, finish)
            select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
              $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::smallint[])
            on conflict (generation) do update set last_sequence = excluded.last_sequence, reported_output = excluded.reported_output,
              reported_reasoning = excluded.reported_reasoning, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning,
              overrun = t.overrun + excluded.overrun, finish = excluded.finish, heard_at = now(), settled_at = null
            """);
        Column(command, sums, k => k.Key);
        Column(command, sums, k => k.Value.Last.Generation.Header.Subscription);
        Column(command, sums, k => k.Value.Last.Generation.Header.Conversation);
        Column(command, sums, k => k.Value.Last.Generation.Header.Model);
        Column(command, sums, k => (short)k.Value.Last.Generation.Header.Mode);
        Column(command, sums, k => k.Value.Last.Generation.Header.Prompt.Input);
        Column(command, sums, k => k.Value.Last.Generation.Header.Prompt.CachedInput);
        Column(command, sums, k => k.Value.Last.Generation.Header.Prompt.CacheCreation);
        Column(command, sums, k => k.Value.Last.Generation.Header.OutputTokensMax);
        Column(command, sums, k => k.Value.Last.Sequence);
        Column(command, sums, k => k.Value.Last.Reported.Output);
        Column(command, sums, k => k.Value.Last.Reported.Reasoning);
        Column(command, sums, k => k.Value.Tokens.Output);
        Column(command, sums, k => k.Value.Tokens.Reasoning);
        Column(command, sums, k => k.Value.Overrun);
        Column(command, sums, k => (short)k.Value.Last.Finish);
        batch.BatchCommands.Add(command);
    }

    private static void Tokens<TKey>(NpgsqlBatchCommand command, IReadOnlyDictionary<TKey, Sum> sums)
        where TKey : notnull
    {
        Column(command, sums, k => k.Value.Tokens.Input);
        Column(command, sums, k => k.Value.Tokens.CachedInput);
        Column(command, sums, k => k.Value.Tokens.CacheCreation);
        Column(command, sums, k => k.Value.Tokens.Output);
        Column(command, sums, k => k.Value.Tokens.Reasoning);
    }

    private static void Column<TKey, TValue>(NpgsqlBatchCommand command, IReadOnlyDictionary<TKey, Sum> sums, Func<KeyValuePair<TKey, Sum>, TValue> value)
        where TKey : notnull
    {
        var values = new TValue[sums.Count];
        var i = 0;
        foreach (var sum in sums) values[i++] = value(sum);
        command.Parameters.Add(new NpgsqlParameter<TValue[]> { TypedValue = values });
    }
}
