using Contracts.Usage.V1;
using Usage.Corrections;
using Usage.Host.Owners;

namespace Usage.Host.Ledger;

/// <summary>A correction on its way to its shard's writer, which decides it over what is committed, in the transaction that writes it.</summary>
/// <param name="Key">caller, method and idempotency-key: what it answered is kept under this, for ever</param>
/// <param name="Sha256">of the request: the same key with another one is refused</param>
/// <param name="Generation">what is corrected; or, if null, Period of the subscription</param>
/// <param name="Possible">taken if nothing is recorded in the period: usage that never reached us can be added there</param>
/// <param name="Decide">from the target in each period and plan</param>
/// <param name="Committed">told once, when this very request is committed</param>
public sealed record CorrectionRequest(
    CorrectionKey Key, string Sha256, Guid Subscription, Guid? Generation, Guid? Period, RecordedUse? Possible,
    Func<IReadOnlyList<RecordedUse>, Decision<UsageCorrection>> Decide, Action<IReadOnlyList<UsageCorrection>> Committed)
{
    public TaskCompletionSource<CorrectUsageResponse> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the last attempt wrote, if its outcome is not known.</summary>
    internal IReadOnlyList<UsageCorrection>? Attempted { get; set; }
}
