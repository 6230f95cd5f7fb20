using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>A correction as somebody asks for it.</summary>
/// <param name="Key">the same for every retry</param>
/// <param name="Generation">what is corrected; or, if null, the period</param>
/// <param name="At">business time of the call: a retry is made later</param>
internal sealed record CorrectionCall(string Key, Guid Subscription, GenerationHeader? Generation, Guid? Period, bool IsVoid, Tally Deltas, long OverrunDelta, DateTimeOffset At)
{
    public string Conversation => Generation?.Conversation ?? "";

    public Decision<UsageCorrection> Decide(IReadOnlyList<RecordedUse> recorded) => IsVoid
        ? VoidUsageDecision.Decide(new VoidUsage("clerk", "a test", Key, At), recorded)
        : AmendUsageDecision.Decide(new AmendUsage(Period, null, Deltas, OverrunDelta, "clerk", "a test", Key, At), recorded);
}

/// <param name="Corrections">null: refused for good, if there is a reason; else nobody knows, and it may be asked again</param>
internal sealed record CorrectionAnswer(IReadOnlyList<UsageCorrection>? Corrections, string? Refused = null)
{
    public static readonly CorrectionAnswer Unknown = new(Corrections: null);
}

/// <summary>A correction on its way to its shard's writer.</summary>
internal sealed class CorrectionRequest(CorrectionCall call, Cell cell, RecordedUse? possible)
{
    public CorrectionCall Call => call;
    public Cell Cell => cell;
    public RecordedUse? Possible => possible;
    public TaskCompletionSource<CorrectionAnswer> Answer { get; } = new();

    /// <summary>Thresholds that must be stored once it is answered.</summary>
    public IReadOnlyList<ThresholdWatch.Key> Passed { get; set; } = [];

    /// <summary>What the last attempt wrote, if its outcome is not known.</summary>
    public IReadOnlyList<UsageCorrection>? Attempted { get; set; }
}

/// <summary>Decides corrections under the lock of the shard and writes them, as the host's commit of a correction does, over the real decisions.</summary>
internal sealed class CorrectionWriting(World world, Hold hold)
{
    private SimulatedStore Store => world.Store;

    /// <returns>false if another instance has taken the shard</returns>
    public async Task<bool> TryAsync(Transaction transaction, ShardLedger ledger, CorrectionRequest request, Func<ShardHead, List<KeyValuePair<LineKey, long>>> unreported)
    {
        ledger.Begin();
        await transaction.LockAsync(Store.Shards[hold.Shard].Locks, LockMode.NoKeyUpdate);
        if (Store.Shards[hold.Shard].Epoch != hold.Epoch) return false;
        var head = Store.Shards[hold.Shard].Head;
        if (ledger.MustReadUnreported(head)) ledger.LoadUnreported(unreported(head));
        if (ledger.MustLookUp && world.Mutation != Mutation.DoubtfulTotals)
        {
            transaction.Write(() => Store.MakeTotalsWhole(hold.Shard));
            ledger.Whole();
        }
        await transaction.RoundTripAsync();
        if (Store.Calls.TryGetValue(request.Call.Key, out var earlier) && world.Mutation != Mutation.CorrectionWithoutKey)
        {
            // Found at the first look, an earlier call did it. Later, this one did, and its answer from the database got lost.
            transaction.RollBack();
            ledger.Undone(head);
            if (request.Attempted is { } mine && world.Mutation != Mutation.CorrectionUntold) hold.Corrected(request, mine);
            request.Answer.SetResult(new(earlier.Corrections));
            return true;
        }
        await transaction.RoundTripAsync();
        var decision = request.Call.Decide(Recorded(request));
        if (decision.Refused is { } refusal)
        {
            transaction.RollBack();
            ledger.Undone(head);
            world.Observer.Corrections.Refused(request.Call, refusal.Code);
            request.Answer.SetResult(new(null, refusal.Code));
            return true;
        }
        var plan = ledger.Plan(head, decision.Events, cut: false);
        request.Attempted = decision.Events;
        await transaction.RoundTripAsync();
        var copy = new PlanCopy(plan);
        transaction.Write(() =>
        {
            request.Cell.Untold.AddRange(decision.Events);
            Store.Write(hold.Shard, copy, request.Call);
        });
        await transaction.CommitAsync();

        ledger.Committed(plan);
        hold.Corrected(request, decision.Events);
        request.Answer.SetResult(new(decision.Events));
        return true;
    }

    /// <summary>What the tables have of the target in each period, earlier corrections included.</summary>
    private List<RecordedUse> Recorded(CorrectionRequest request)
    {
        var call = request.Call;
        if (call.Generation is { } generation) return OfGeneration(generation);
        if (!Store.Periods.TryGetValue((call.Subscription, call.Period!.Value), out var total)) return request.Possible is { } possible ? [possible] : [];
        var period = world.TermsOf(call.Subscription).Current is { } current && current.Id == call.Period ? current : world.TermsOf(call.Subscription).Next;
        return [new(call.Subscription, period.Id, period.End, Plans.Plan, null, "", "", total.Tokens, total.Overrun, total.Tokens, total.Overrun, [])];
    }

    private List<RecordedUse> OfGeneration(GenerationHeader generation)
    {
        UsageRow[] rows = [.. Store.Events.Values.Select(e => e.Row).Where(r => r.Generation.Id == generation.Id)];
        UsageCorrection[] corrections = [.. Store.Corrections.Where(c => c.Generation == generation.Id)];
        var uses = new List<RecordedUse>();
        foreach (var period in rows.Select(r => r.Period).DistinctBy(p => p.Id).OrderBy(p => p.End))
        {
            var (tokens, overrun) = (Tally.Zero, 0L);
            foreach (var row in rows.Where(r => r.Period.Id == period.Id)) (tokens, overrun) = (tokens + row.Tokens, overrun + row.OverrunTokens);
            foreach (var correction in corrections.Where(c => c.Period == period.Id)) (tokens, overrun) = (tokens + correction.Deltas, overrun + correction.OverrunDelta);
            var total = Store.Periods[(generation.Subscription, period.Id)];
            uses.Add(new(
                generation.Subscription, period.Id, period.End, Plans.Plan, generation.Id, generation.Conversation, generation.Model,
                tokens, overrun, total.Tokens, total.Overrun, Windows(generation, period.Id, rows, corrections)));
        }
        return uses;
    }

    /// <summary>What the windows that are not closed hold of the generation: its rows say in which they were counted, corrections what they took.</summary>
    private List<WindowCorrection> Windows(GenerationHeader generation, Guid period, UsageRow[] rows, UsageCorrection[] corrections)
    {
        var held = new List<WindowCorrection>();
        foreach (var (subscription, window) in Store.Windows.Keys)
        {
            if (subscription != generation.Subscription || window.ClosesAt <= world.Now.Business) continue;
            Tally[] parts =
            [
                .. rows.Where(r => r.Period.Id == period && (window.Window == CapWindow.FiveHours ? r.FiveHours : r.Week) == window).Select(r => r.Tokens),
                .. corrections.Where(c => c.Period == period).SelectMany(c => c.Windows).Where(w => w.Window == window).Select(w => w.Deltas),
            ];
            if (parts.Length > 0) held.Add(new(window, parts.Aggregate((a, b) => a + b)));
        }
        return held;
    }
}
