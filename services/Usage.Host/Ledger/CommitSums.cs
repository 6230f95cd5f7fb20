using System.Runtime.InteropServices;
using Npgsql;
using Usage.Caps;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>Tokens and overrun of some rows.</summary>
public struct Sum
{
    public Tally Tokens { get; private set; }
    public long Overrun { get; private set; }
    /// <summary>The latest row of those summed.</summary>
    public UsageRow Last { get; private set; }

    public void Add(UsageRow row)
    {
        Tokens += row.Tokens;
        Overrun += row.OverrunTokens;
        Last = row;
    }
}

/// <summary>
/// What one commit adds to the totals, summed per key first, so that each total is updated once. One shard's writer alone updates its
/// subscriptions' totals: writers never wait for each other, so they cannot deadlock.
/// </summary>
public sealed class CommitSums
{
    private readonly Dictionary<(Guid Subscription, Guid Period, Guid Plan), Sum> _periods = [];
    private readonly Dictionary<(Guid Subscription, OpenWindow Window), Sum> _windows = [];
    private readonly Dictionary<(Guid Subscription, string Conversation), Sum> _conversations = [];
    private readonly Dictionary<Guid, Sum> _generations = [];

    public void Of(IReadOnlyList<UsageRow> rows)
    {
        _periods.Clear();
        _windows.Clear();
        _conversations.Clear();
        _generations.Clear();
        foreach (var row in rows)
        {
            var header = row.Generation.Header;
            Slot(_periods, (header.Subscription, row.Period.Id, row.Plan)).Add(row);
            if (row.FiveHours is { } fiveHours) Slot(_windows, (header.Subscription, fiveHours)).Add(row);
            if (row.Week is { } week) Slot(_windows, (header.Subscription, week)).Add(row);
            Slot(_conversations, (header.Subscription, header.Conversation)).Add(row);
            Slot(_generations, header.Id).Add(row);
        }
    }

    public void AddTo(NpgsqlBatch batch)
    {
        AddPeriods(batch);
        if (_windows.Count > 0) AddWindows(batch);
        AddConversations(batch);
        AddGenerations(batch);
    }

    private void AddPeriods(NpgsqlBatch batch)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.period_total as t (subscription, period, plan, input, cached_input, cache_creation, output, reasoning, overrun)
            select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
            on conflict (subscription, period, plan) do update set input = t.input + excluded.input, cached_input = t.cached_input + excluded.cached_input,
              cache_creation = t.cache_creation + excluded.cache_creation, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning,
              overrun = t.overrun + excluded.overrun
            """);
        Column(command, _periods, k => k.Key.Subscription);
        Column(command, _periods, k => k.Key.Period);
        Column(command, _periods, k => k.Key.Plan);
        Tokens(command, _periods);
        Column(command, _periods, k => k.Value.Overrun);
        batch.BatchCommands.Add(command);
    }

    private void AddWindows(NpgsqlBatch batch)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.window_total as t (subscription, kind, opened_at, closes_at, input, cached_input, cache_creation, output, reasoning)
            select * from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
            on conflict (subscription, kind, opened_at) do update set input = t.input + excluded.input, cached_input = t.cached_input + excluded.cached_input,
              cache_creation = t.cache_creation + excluded.cache_creation, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning
            """);
        Column(command, _windows, k => k.Key.Subscription);
        Column(command, _windows, k => k.Key.Window.Window.Name());
        Column(command, _windows, k => k.Key.Window.OpenedAt);
        Column(command, _windows, k => k.Key.Window.ClosesAt);
        Tokens(command, _windows);
        batch.BatchCommands.Add(command);
    }

    private void AddConversations(NpgsqlBatch batch)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.conversation as t (subscription, conversation, plan, input, cached_input, cache_creation, output, reasoning, overrun, finish, last_activity)
            select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::smallint[], $11::timestamptz[])
            on conflict (subscription, conversation) do update set plan = excluded.plan, input = t.input + excluded.input, cached_input = t.cached_input + excluded.cached_input,
              cache_creation = t.cache_creation + excluded.cache_creation, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning,
              overrun = t.overrun + excluded.overrun, finish = excluded.finish, last_activity = greatest(t.last_activity, excluded.last_activity)
            """);
        Column(command, _conversations, k => k.Key.Subscription);
        Column(command, _conversations, k => k.Key.Conversation);
        Column(command, _conversations, k => k.Value.Last.Plan);
        Tokens(command, _conversations);
        Column(command, _conversations, k => k.Value.Overrun);
        Column(command, _conversations, k => (short)k.Value.Last.Finish);
        Column(command, _conversations, k => k.Value.Last.ReceivedAt);
        batch.BatchCommands.Add(command);
    }

    private void AddGenerations(NpgsqlBatch batch)
    {
        var command = new NpgsqlBatchCommand("""
            insert into usage.generation as t (generation, subscription, conversation, model, mode, prompt_input, prompt_cached_input, prompt_cache_creation,
              output_tokens_max, last_sequence, reported_output, reported_reasoning, output, reasoning, overrun, finish)
            select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
              $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::smallint[])
            on conflict (generation) do update set last_sequence = excluded.last_sequence, reported_output = excluded.reported_output,
              reported_reasoning = excluded.reported_reasoning, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning,
              overrun = t.overrun + excluded.overrun, finish = excluded.finish
            """);
        Column(command, _generations, k => k.Key);
        Column(command, _generations, k => k.Value.Last.Generation.Header.Subscription);
        Column(command, _generations, k => k.Value.Last.Generation.Header.Conversation);
        Column(command, _generations, k => k.Value.Last.Generation.Header.Model);
        Column(command, _generations, k => (short)k.Value.Last.Generation.Header.Mode);
        Column(command, _generations, k => k.Value.Last.Generation.Header.Prompt.Input);
        Column(command, _generations, k => k.Value.Last.Generation.Header.Prompt.CachedInput);
        Column(command, _generations, k => k.Value.Last.Generation.Header.Prompt.CacheCreation);
        Column(command, _generations, k => k.Value.Last.Generation.Header.OutputTokensMax);
        Column(command, _generations, k => k.Value.Last.Sequence);
        Column(command, _generations, k => k.Value.Last.Reported.Output);
        Column(command, _generations, k => k.Value.Last.Reported.Reasoning);
        Column(command, _generations, k => k.Value.Tokens.Output);
        Column(command, _generations, k => k.Value.Tokens.Reasoning);
        Column(command, _generations, k => k.Value.Overrun);
        Column(command, _generations, k => (short)k.Value.Last.Finish);
        batch.BatchCommands.Add(command);
    }

    private static void Tokens<TKey>(NpgsqlBatchCommand command, Dictionary<TKey, Sum> sums)
        where TKey : notnull
    {
        Column(command, sums, k => k.Value.Tokens.Input);
        Column(command, sums, k => k.Value.Tokens.CachedInput);
        Column(command, sums, k => k.Value.Tokens.CacheCreation);
        Column(command, sums, k => k.Value.Tokens.Output);
        Column(command, sums, k => k.Value.Tokens.Reasoning);
    }

    private static void Column<TKey, TValue>(NpgsqlBatchCommand command, Dictionary<TKey, Sum> sums, Func<KeyValuePair<TKey, Sum>, TValue> value)
        where TKey : notnull
    {
        var values = new TValue[sums.Count];
        var i = 0;
        foreach (var sum in sums) values[i++] = value(sum);
        command.Parameters.Add(new NpgsqlParameter<TValue[]> { TypedValue = values });
    }

    private static ref Sum Slot<TKey>(Dictionary<TKey, Sum> sums, TKey key)
        where TKey : notnull => ref CollectionsMarshal.GetValueRefOrAddDefault(sums, key, out _);
}
