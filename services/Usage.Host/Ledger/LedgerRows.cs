using Contracts.Messages;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Npgsql;
using Usage.Corrections;

namespace Usage.Host.Ledger;

/// <summary>Rows and reports as the contract shows them.</summary>
public static class LedgerRows
{
    public const string Select = """
        select batch, ordinal, generation, sequence, subscription, period, plan, conversation, model,
          input, cached_input, cache_creation, output, reasoning, overrun, at, received_at, leaf, correction, void, author, reason from usage.ledger_row
        """;

    /// <summary>The same of a table of token events that is detached.</summary>
    public static string SelectDetached(string table) => $"""
        select batch, ordinal, generation, sequence, subscription, period, plan, conversation, model,
          input, cached_input, cache_creation, output, reasoning, overrun, at, received_at, leaf, null::uuid, false, null::text, null::text from {table}
        """;

    public static EventRow Event(NpgsqlDataReader reader) => new()
    {
        Batch = reader.GetInt64(0),
        Ordinal = reader.GetInt32(1),
        GenerationId = reader.IsDBNull(2) ? "" : Ids.Format(Ids.Generation, reader.GetGuid(2)),
        Sequence = reader.GetInt64(3),
        SubscriptionId = Ids.Format(Ids.Subscription, reader.GetGuid(4)),
        PeriodId = Ids.Format(Ids.Period, reader.GetGuid(5)),
        PlanId = Ids.Format(Ids.Plan, reader.GetGuid(6)),
        Conversation = reader.GetString(7),
        Model = reader.GetString(8),
        Tokens = new TokenCounts
        {
            Input = reader.GetInt64(9),
            CachedInput = reader.GetInt64(10),
            CacheCreation = reader.GetInt64(11),
            Output = reader.GetInt64(12),
            Reasoning = reader.GetInt64(13),
        },
        OverrunTokens = reader.GetInt64(14),
        At = reader.GetFieldValue<DateTimeOffset>(15).ToTimestamp(),
        ReceivedAt = reader.GetFieldValue<DateTimeOffset>(16).ToTimestamp(),
        Leaf = UnsafeByteOperations.UnsafeWrap(reader.GetFieldValue<byte[]>(17)),
        Kind = reader.IsDBNull(18) ? RowKind.Unspecified : RowKind.Correction,
        Correction = reader.IsDBNull(18) ? null : new CorrectionNote
        {
            CorrectionId = Ids.Format(Ids.Correction, reader.GetGuid(18)),
            Void = reader.GetBoolean(19),
            Author = reader.GetString(20),
            Reason = reader.GetString(21),
        },
    };

    public static EventRow Correction(long batch, int ordinal, UsageCorrection c, byte[] leaf) => new()
    {
        Batch = batch,
        Ordinal = ordinal,
        GenerationId = c.Generation is { } generation ? Ids.Format(Ids.Generation, generation) : "",
        SubscriptionId = Ids.Format(Ids.Subscription, c.Subscription),
        PeriodId = Ids.Format(Ids.Period, c.Period),
        PlanId = Ids.Format(Ids.Plan, c.Plan),
        Conversation = c.Conversation,
        Model = c.Model,
        Tokens = new TokenCounts
        {
            Input = c.Deltas.Input,
            CachedInput = c.Deltas.CachedInput,
            CacheCreation = c.Deltas.CacheCreation,
            Output = c.Deltas.Output,
            Reasoning = c.Deltas.Reasoning,
        },
        OverrunTokens = c.OverrunDelta,
        At = c.RecordedAt.ToTimestamp(),
        ReceivedAt = c.RecordedAt.ToTimestamp(),
        Leaf = ByteString.CopyFrom(leaf),
        Kind = RowKind.Correction,
        Correction = new CorrectionNote { CorrectionId = Ids.Format(Ids.Correction, c.Id), Author = c.Author, Reason = c.Reason, Void = c.Void },
    };

    public static UsageReport Report(UsageRecorded report)
    {
        var sent = new UsageReport
        {
            Shard = report.Shard,
            Number = report.Number,
            FirstBatch = report.FirstBatch,
            LastBatch = report.LastBatch,
            PreviousChain = Bytes(report.PreviousChain),
            Chain = Bytes(report.Chain),
            RecordedAt = report.RecordedAt.ToTimestamp(),
        };
        foreach (var root in report.Roots) sent.Roots.Add(Bytes(root));
        foreach (var line in report.Lines)
            sent.Lines.Add(new UsageLine
            {
                SubscriptionId = line.SubscriptionId,
                PeriodId = line.PeriodId,
                PeriodEnd = line.PeriodEnd.ToTimestamp(),
                PlanId = line.PlanId,
                Kind = line.Kind,
                Tokens = line.Tokens,
            });
        return sent;
    }

    private static ByteString Bytes(string hex) => ByteString.CopyFrom(Convert.FromHexString(hex));
}
