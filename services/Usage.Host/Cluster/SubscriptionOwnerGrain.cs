using System.Text.Json;
using Contracts.Usage.V1;
using Google.Protobuf;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Usage.Caps;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host.Cluster;

/// <summary>
/// A subscription's owner as other processes reach it. It takes its turns on the same cell, under the same gate, as streams of this process
/// do; what makes it the only owner is the shard's epoch, and not that Orleans has one activation.
/// </summary>
[PlacedByShard, GrainDirectory(HomeDirectory.Name), Reentrant]
public sealed class SubscriptionOwnerGrain(OwnerDirectory owners, Intake intake, UnaryCalls unary, RemoteOutlets outlets) : Grain, ISubscriptionOwner
{
    // A caller waits 30 s for an answer; before that it is told how far the frames were taken.
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(10);
    private static readonly Taken NotHere = new(0, 0, 0, false);

    public async Task<Taken> TakeAsync(FrameBatch batch)
    {
        OwnerCell cell;
        try { cell = owners.Pin(this.GetPrimaryKey(out _)); }
        catch (RefusedException e) when (OwnerMoved.Is(e)) { return NotHere; }
        try
        {
            if (batch.Epoch != 0 && batch.Epoch != cell.Tenure.Epoch) return NotHere;
            var outlet = outlets.Of(batch);
            // Answers were lost with an earlier outlet of the stream: its runtime has to hear them again.
            if (!batch.Gone && (outlet.IsGone || (batch.Epoch != 0 && batch.Outlet != outlet.Number))) return NotHere;
            using var within = new CancellationTokenSource(AnswersWithin);
            var frames = MeterRequest.Parser.ParseFrom(batch.Frames).Frames;
            var taken = await intake.TakeAsync(frames, outlet, within.Token);
            var flushed = batch.Flush && taken == frames.Count && await FlushAsync(cell, outlet, within.Token);
            if (batch.Gone) outlets.Forget(batch.Stream);
            return new Taken(cell.Tenure.Epoch, outlet.Number, taken, flushed);
        }
        catch (RefusedException e) when (OwnerMoved.Is(e))
        {
            return NotHere;
        }
        finally
        {
            owners.Unpin(cell);
        }
    }

    public async Task<UnaryAnswer> AskAsync(UnaryCall call, byte[] request)
    {
        try { return new UnaryAnswer((await unary.AnswerAsync(call, request, CancellationToken.None)).ToByteArray(), "", ""); }
        catch (RefusedException e) { return new UnaryAnswer(null, e.Refusal.Code, e.Refusal.Detail); }
        catch (Exception e) when (StoreFailure.Is(e)) { return new UnaryAnswer(null, Reasons.StoreUnavailable, "the database does not answer; try again with the same ids"); }
    }

    public Task<long> TermsChangedAsync(string terms) =>
        Task.FromResult(owners.TermsChanged(JsonSerializer.Deserialize<SubscriptionTerms>(terms)!) ?? 0);

    private static async Task<bool> FlushAsync(OwnerCell cell, RemoteOutlet outlet, CancellationToken within)
    {
        try
        {
            await cell.Tenure.Writer.FlushAsync().WaitAsync(within);
            await outlet.TrackedAsync().WaitAsync(within);
            await outlet.ArrivedAsync().WaitAsync(within);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}

/// <summary>Says where a shard's ledger stands to whoever asks another instance for heads.</summary>
[PlacedByShard, GrainDirectory(HomeDirectory.Name), Reentrant]
public sealed class ShardHolderGrain(LedgerWriters ledger) : Grain, IShardHolder
{
    public async Task<LedgerHead> ReportedAsync()
    {
        try
        {
            var head = await ledger[(int)this.GetPrimaryKeyLong(out _)].ReportedAsync();
            return new LedgerHead(head.Batch, head.Chain, head.Report, head.ReportedBatch, head.ReportedChain);
        }
        catch (RefusedException)
        {
            // No head has a report below zero: exceptions of ours stay in their process.
            return new LedgerHead(0, [], -1, 0, []);
        }
    }
}
