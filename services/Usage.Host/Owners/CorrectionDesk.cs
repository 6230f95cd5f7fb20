using System.Security.Cryptography;
using Contracts.Usage.V1;
using Microsoft.Extensions.Options;
using Usage.Caps;
using Usage.Corrections;
using Usage.Host.Ledger;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Owners;

/// <summary>Who asked, and under which key: a repeat is the same in both.</summary>
/// <param name="Caller">the name of his API key; - where nobody was asked for one</param>
/// <param name="Call">method and idempotency-key</param>
public sealed record CorrectionKey(string Caller, string Call)
{
    /// <summary>What it answered is kept under this.</summary>
    public string Id => Caller == Hosting.Caller.Anybody ? Call : $"{Caller}|{Call}";
}

/// <summary>A correction as it was asked for, on its way to the process that writes its shard.</summary>
/// <param name="Conversation">of the generation that is corrected; empty for a whole period</param>
/// <param name="Request">an AmendUsageRequest, or, if <paramref name="IsVoid"/>, a VoidUsageRequest; checked</param>
/// <param name="At">business time of the call</param>
public sealed record CorrectionCall(CorrectionKey Key, Guid Subscription, string Conversation, bool IsVoid, byte[] Request, DateTimeOffset At);

/// <summary>Takes corrections to the writer of their shard, and tells the owner when they are committed: what was taken back is room again.</summary>
public sealed class CorrectionDesk(OwnerDirectory owners, OwnerLoader loader, Announcements announcements, IOptions<UsageOptions> options)
{
    private int _waiting;

    /// <exception cref="StoreNotReadyException">No answer in time; it may still be committed: the same key meets its answer.</exception>
    /// <exception cref="RefusedException">Refused; owner_moved if the shard is not written here.</exception>
    public async Task<CorrectUsageResponse> CorrectAsync(CorrectionCall call, CancellationToken ct)
    {
        try { return await CorrectAsync(call).WaitAsync(TimeSpan.FromSeconds(options.Value.UnaryWaitSecondsMax), ct); }
        catch (TimeoutException) { throw new StoreNotReadyException(); }
    }

    private async Task<CorrectUsageResponse> CorrectAsync(CorrectionCall call)
    {
        if (Interlocked.Increment(ref _waiting) > options.Value.CorrectionsWaitingMax)
        {
            Interlocked.Decrement(ref _waiting);
            throw new StoreNotReadyException();
        }
        try
        {
            return await PinnedAsync(call);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private async Task<CorrectUsageResponse> PinnedAsync(CorrectionCall call)
    {
        var cell = owners.Pin(call.Subscription);
        try
        {
            var request = await LoadedAsync(cell, call);
            try
            {
                cell.Tenure.Writer.Add(request);
                var answer = await request.Answer.Task;
                await announcements.AnnounceAsync(cell.Tenure, [cell]);
                return answer;
            }
            finally
            {
                lock (cell.Gate) cell.LetGo(call.Conversation);
            }
        }
        finally
        {
            owners.Unpin(cell);
            lock (cell.Gate) cell.Owner.ForgetIfIdle(call.Conversation);
        }
    }

    /// <summary>The owner must know its totals before the tables change, or it would read them changed and be told again.</summary>
    private async Task<CorrectionRequest> LoadedAsync(OwnerCell cell, CorrectionCall call)
    {
        while (true)
        {
            ReadPoint before;
            bool isBehind;
            lock (cell.Gate) (before, isBehind) = (cell.ReadPoint, cell.WouldReadBehind(call.Conversation, Guid.Empty, cell.Tenure.Writer.Behind));
            if (await loader.WholeAsync(cell.Tenure.Writer, isBehind, CancellationToken.None)) continue;
            var loaded = await loader.LoadAsync(call.Subscription, call.Conversation, Guid.Empty, ofOwner: true, waits: true, CancellationToken.None);
            lock (cell.Gate)
            {
                if (cell.Tenure.IsOver) throw OwnerMoved.AsException();
                if (!cell.TryLoad(loaded, before, call.Conversation, Guid.Empty, storeIsAway: false, owners.NowOf(cell))) continue;
                cell.Owner.Keep(call.Conversation);
                owners.Deliver(cell);
                return Request(call, cell);
            }
        }
    }

    private CorrectionRequest Request(CorrectionCall call, OwnerCell cell)
    {
        var sha256 = Convert.ToHexStringLower(SHA256.HashData(call.Request));
        if (call.IsVoid)
        {
            var asked = VoidUsageRequest.Parser.ParseFrom(call.Request);
            var command = new Corrections.VoidUsage(asked.Author, asked.Reason, call.Key.Id, call.At);
            return new(
                call.Key, sha256, call.Subscription, Ids.Parse(Ids.Generation, asked.GenerationId), null, null,
                recorded => VoidUsageDecision.Decide(command, recorded), corrections => Committed(cell, corrections));
        }
        var amend = AmendUsageRequest.Parser.ParseFrom(call.Request);
        var (period, plan) = (OrNull(Ids.Period, amend.PeriodId), OrNull(Ids.Plan, amend.PlanId));
        var d = amend.Deltas ?? new TokenCounts();
        var amendment = new Corrections.AmendUsage(
            period, plan, new Tally(d.Input, d.CachedInput, d.CacheCreation, d.Output, d.Reasoning), amend.OverrunDelta, amend.Author, amend.Reason, call.Key.Id, call.At);
        return new(
            call.Key, sha256, call.Subscription, OrNull(Ids.Generation, amend.GenerationId), period,
            period is { } named ? RecordedUse.Possible(cell.Owner.Terms, named) : null, recorded => AmendUsageDecision.Decide(amendment, recorded), corrections => Committed(cell, corrections));
    }

    private void Committed(OwnerCell cell, IReadOnlyList<UsageCorrection> corrections)
    {
        lock (cell.Gate)
        {
            // Whoever owns it now reads it from the tables.
            if (cell.Tenure.IsOver) return;
            cell.Correct(corrections, owners.NowOf(cell));
            owners.Deliver(cell);
        }
    }

    private static Guid? OrNull(string prefix, string id) => id.Length == 0 ? null : Ids.Parse(prefix, id);
}
