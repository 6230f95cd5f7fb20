namespace Contracts.Messages;

/// <summary>
/// Report <paramref name="Number"/> of a shard: what its batches from <paramref name="FirstBatch"/> to <paramref name="LastBatch"/>
/// add up to. Numbers of a shard have no gap; a missing one is fetched with usage.v1.UsageLedger.GetReports.
/// </summary>
/// <param name="PreviousChain">the shard's chain value before FirstBatch, 64 hex digits</param>
/// <param name="Roots">the Merkle root of each batch, in order, 64 hex digits each</param>
/// <param name="Chain">the chain value after LastBatch</param>
/// <param name="RecordedAt">business time</param>
public sealed record UsageRecorded(
    int Shard,
    long Number,
    long FirstBatch,
    long LastBatch,
    string PreviousChain,
    IReadOnlyList<string> Roots,
    string Chain,
    DateTimeOffset RecordedAt,
    IReadOnlyList<RecordedLine> Lines);

/// <param name="PeriodEnd">when the period ends; a line applied later than that is late usage</param>
/// <param name="Kind">input, cached_input, cache_creation, output, reasoning or overrun</param>
/// <param name="Tokens">the sum of the rows; below zero only by corrections</param>
public sealed record RecordedLine(string SubscriptionId, string PeriodId, DateTimeOffset PeriodEnd, string PlanId, string Kind, long Tokens);
