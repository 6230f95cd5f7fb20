using Contracts.Usage.V1;
using Google.Protobuf;
using Npgsql;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Host.Ledger;

/// <summary>Corrections: decided under the lock of the shard, so that nothing is recorded between the look and the write.</summary>
public sealed partial class LedgerCommit
{
    public async Task CorrectAsync(CorrectionRequest request, CancellationToken ct)
    {
        _ledger.Begin();
        await using var connection = await store.DataSource.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var (head, _) = await ReadHeadAsync(connection, "for no key update", ct);
        await RecallAsync(connection, head, ct);

        if (await EarlierAsync(connection, request, ct) is { } earlier)
        {
            // Found at the first look, an earlier call did it. Later, this one did, and its answer from the database got lost.
            _ledger.Undone(head);
            if (request.Attempted is { } mine) request.Committed(mine);
            earlier(request.Answer);
            return;
        }
        var now = clock.Now;
        var decision = request.Decide(await CorrectionReader.ReadAsync(connection, request, now, ct));
        if (decision.Refused is { } refusal)
        {
            _ledger.Undone(head);
            request.Answer.TrySetException(refusal.AsException());
            return;
        }
        var plan = _ledger.Plan(head, decision.Events, cut: false);
        request.Attempted = decision.Events;
        if (plan.WritesAnything) await PerformAsync(connection, plan, now, ct);
        var response = Response(plan);
        await using (var batch = new NpgsqlBatch(connection))
        {
            batch.BatchCommands.Add(Command(
                "insert into usage.idempotent_call (id, request_sha256, response) values ($1, $2, $3)", request.Key.Id, request.Sha256, response.ToByteArray()));
            await batch.ExecuteNonQueryAsync(ct);
        }
        await transaction.CommitAsync(ct);

        _ledger.Committed(plan);
        metrics.Corrected(decision.Events.Count);
        request.Committed(decision.Events);
        request.Answer.TrySetResult(response);
    }

    private static async Task<Action<TaskCompletionSource<CorrectUsageResponse>>?> EarlierAsync(NpgsqlConnection connection, CorrectionRequest request, CancellationToken ct)
    {
        // The same request may have been made while nobody was asked who he is; another one under that key may be anybody's, and is no repeat.
        await using var command = new NpgsqlCommand(
            "select request_sha256, response from usage.idempotent_call where id = $1 or (id = $2 and request_sha256 = $3) order by id = $1 desc limit 1", connection);
        foreach (var value in new[] { request.Key.Id, request.Key.Call, request.Sha256 }) command.Parameters.Add(new NpgsqlParameter { Value = value });
        await using var reader = await command.ExecuteReaderAsync(ct);
        if (!await reader.ReadAsync(ct)) return null;
        if (reader.GetString(0) == request.Sha256)
        {
            var response = CorrectUsageResponse.Parser.ParseFrom((byte[])reader[1]);
            return answer => answer.TrySetResult(response);
        }
        var refusal = new Refusal(IdempotentCalls.Reused, "this idempotency-key was used for another request; repeat that one exactly, or take a new key");
        return answer => answer.TrySetException(refusal.AsException());
    }

    private static CorrectUsageResponse Response(CommitPlan plan)
    {
        var response = new CorrectUsageResponse();
        if (plan.Batch is not { } batch) return response;
        for (var i = 0; i < batch.Corrections.Count; i++)
            response.Corrections.Add(LedgerRows.Correction(batch.Number, i, batch.Corrections[i], batch.Leaves[i]));
        return response;
    }

    private void AddCorrections(NpgsqlBatch commands, PlannedBatch batch)
    {
        for (var i = 0; i < batch.Corrections.Count; i++)
        {
            var c = batch.Corrections[i];
            var d = c.Deltas;
            commands.BatchCommands.Add(Command("""
                insert into usage.correction (correction, shard, batch, ordinal, subscription, period, period_end, plan, generation, conversation, model,
                  input, cached_input, cache_creation, output, reasoning, overrun, recorded_at, void, author, reason, leaf)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
                """,
                c.Id, _shard, batch.Number, batch.Rows.Count + i, c.Subscription, c.Period, c.PeriodEnd, c.Plan, (object?)c.Generation ?? DBNull.Value, c.Conversation, c.Model,
                d.Input, d.CachedInput, d.CacheCreation, d.Output, d.Reasoning, c.OverrunDelta, c.RecordedAt, c.Void, c.Author, c.Reason, batch.Leaves[batch.Rows.Count + i]));
            commands.BatchCommands.Add(Command("""
                insert into usage.period_total as t (subscription, period, plan, period_end, input, cached_input, cache_creation, output, reasoning, overrun)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                on conflict (subscription, period, plan) do update set input = t.input + excluded.input, cached_input = t.cached_input + excluded.cached_input,
                  cache_creation = t.cache_creation + excluded.cache_creation, output = t.output + excluded.output, reasoning = t.reasoning + excluded.reasoning,
                  overrun = t.overrun + excluded.overrun
                """,
                c.Subscription, c.Period, c.Plan, c.PeriodEnd, d.Input, d.CachedInput, d.CacheCreation, d.Output, d.Reasoning, c.OverrunDelta));
            if (c.Generation is not null)
                commands.BatchCommands.Add(Command("""
                    update usage.conversation set input = input + $3, cached_input = cached_input + $4, cache_creation = cache_creation + $5,
                      output = output + $6, reasoning = reasoning + $7, overrun = overrun + $8 where subscription = $1 and conversation = $2
                    """,
                    c.Subscription, c.Conversation, d.Input, d.CachedInput, d.CacheCreation, d.Output, d.Reasoning, c.OverrunDelta));
            foreach (var (window, w) in c.Windows)
            {
                commands.BatchCommands.Add(Command("""
                    update usage.window_total set input = input + $4, cached_input = cached_input + $5, cache_creation = cache_creation + $6,
                      output = output + $7, reasoning = reasoning + $8 where subscription = $1 and kind = $2 and opened_at = $3
                    """,
                    c.Subscription, window.Window.Name(), window.OpenedAt, w.Input, w.CachedInput, w.CacheCreation, w.Output, w.Reasoning));
                commands.BatchCommands.Add(Command("""
                    insert into usage.correction_window (correction, kind, opened_at, input, cached_input, cache_creation, output, reasoning)
                    values ($1, $2, $3, $4, $5, $6, $7, $8)
                    """,
                    c.Id, window.Window.Name(), window.OpenedAt, w.Input, w.CachedInput, w.CacheCreation, w.Output, w.Reasoning));
            }
        }
    }
}
