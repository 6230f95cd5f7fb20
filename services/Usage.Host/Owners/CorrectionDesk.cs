using Contracts.Usage.V1;
using Microsoft.Extensions.Options;
using Usage.Caps;
using Usage.Corrections;
using Usage.Host.Ledger;
using Usage.Metering;

namespace Usage.Host.Owners;

/// <summary>Takes corrections to the writer of their shard, and tells the owner when they are committed: what was taken back is room again.</summary>
public sealed class CorrectionDesk(OwnerDirectory owners, OwnerLoader loader, Intake intake, LedgerWriters ledger, IOptions<UsageOptions> options)
{
    private int _waiting;

    /// <param name="decide">from what is recorded of the target in each period and plan</param>
    /// <exception cref="StoreNotReadyException">No answer in time; it may still be committed: the same key meets its answer.</exception>
    public async Task<CorrectUsageResponse> CorrectAsync(
        string callId, string sha256, Guid subscription, Guid? generation, Guid? period, string conversation,
        Func<IReadOnlyList<RecordedUse>, Decision<UsageCorrection>> decide, CancellationToken ct)
    {
        var correcting = CorrectAsync(callId, sha256, subscription, generation, period, conversation, decide);
        try { return await correcting.WaitAsync(TimeSpan.FromSeconds(options.Value.UnaryWaitSecondsMax), ct); }
        catch (TimeoutException) { throw new StoreNotReadyException(); }
    }

    private async Task<CorrectUsageResponse> CorrectAsync(
        string callId, string sha256, Guid subscription, Guid? generation, Guid? period, string conversation, Func<IReadOnlyList<RecordedUse>, Decision<UsageCorrection>> decide)
    {
        if (Interlocked.Increment(ref _waiting) > options.Value.CorrectionsWaitingMax)
        {
            Interlocked.Decrement(ref _waiting);
            throw new StoreNotReadyException();
        }
        var cell = owners.Pin(subscription);
        try
        {
            // The owner must know its totals before the tables change, or it would read them changed and be told again.
            var loaded = await loader.LoadAsync(subscription, conversation, Guid.Empty);
            RecordedUse? possible;
            lock (cell.Gate)
            {
                intake.Load(cell, loaded, conversation);
                cell.Owner.Keep(conversation);
                owners.Deliver(cell);
                possible = period is { } named ? PossibleUse(cell.Owner.Terms, named) : null;
            }
            try
            {
                var request = new CorrectionRequest(callId, sha256, subscription, generation, period, possible, decide, corrections => Committed(cell, corrections));
                ledger[cell.Shard].Add(request);
                return await request.Answer.Task;
            }
            finally
            {
                lock (cell.Gate) cell.Owner.LetGo(conversation);
            }
        }
        finally
        {
            OwnerDirectory.Unpin(cell);
            lock (cell.Gate)
                if (cell.Pins == 0) cell.Owner.ForgetIfIdle(conversation);
            Interlocked.Decrement(ref _waiting);
        }
    }

    private void Committed(OwnerCell cell, IReadOnlyList<UsageCorrection> corrections)
    {
        lock (cell.Gate)
        {
            foreach (var correction in corrections) cell.Owner.Correct(correction, owners.Now, cell.Outcomes);
            owners.Deliver(cell);
        }
    }

    /// <summary>A period that billing has named, under the plan that is in force: nothing else can be billed.</summary>
    private static RecordedUse? PossibleUse(SubscriptionTerms? terms, Guid period)
    {
        if (terms is null || new[] { terms.Current, terms.Next, terms.Previous }.FirstOrDefault(p => p?.Id == period) is not { } known) return null;
        return new RecordedUse(terms.Subscription, known.Id, known.End, terms.Plan, null, "", "", Tally.Zero, 0, Tally.Zero, 0, []);
    }
}
