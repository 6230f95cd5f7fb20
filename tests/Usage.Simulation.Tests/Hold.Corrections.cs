using Usage.Caps;
using Usage.Corrections;

namespace Usage.Simulation.Tests;

/// <summary>Corrections: what CorrectionDesk does in the host.</summary>
internal sealed partial class Hold
{
    private static readonly Guid NoGeneration = Guid.Empty;

    public async Task CorrectAsync(CorrectionCall call, Action<CorrectionAnswer> answer)
    {
        if (IsClosing)
        {
            answer(CorrectionAnswer.Unknown);
            return;
        }
        var cell = Pin(call.Subscription);
        try
        {
            // The owner must know its totals before the tables change, or it would read them changed and be told again.
            for (var isLoaded = false; !isLoaded;)
            {
                var before = cell.ReadPoint;
                if (await WholeAsync(cell, call.Conversation, NoGeneration)) continue;
                var loaded = await Reading.ReadAsync(_world, this, call.Subscription, call.Conversation, NoGeneration);
                if (IsClosing)
                {
                    answer(CorrectionAnswer.Unknown);
                    return;
                }
                isLoaded = TryLoad(cell, loaded, before, call.Conversation, NoGeneration);
            }
            cell.Owner.Keep(call.Conversation);
            cell.Announcing++;
            Deliver(cell);
            try
            {
                var request = new CorrectionRequest(call, cell, call.Period is { } named ? RecordedUse.Possible(cell.Owner.Terms, named) : null);
                _writing.Add(request);
                var answered = await request.Answer.Task;
                await AnnounceAsync(cell, request.Passed);
                answer(answered);
            }
            finally
            {
                cell.Announcing--;
                cell.LetGo(call.Conversation);
            }
        }
        catch (StoreLostException)
        {
            answer(CorrectionAnswer.Unknown);
        }
        finally
        {
            Unpin(cell);
            cell.Owner.ForgetIfIdle(call.Conversation);
        }
    }

    /// <summary>It is committed: what it took back is room again.</summary>
    public void Corrected(CorrectionRequest request, IReadOnlyList<UsageCorrection> corrections)
    {
        if (IsClosing) return;
        var cell = request.Cell;
        _world.Observer.Thresholds.Telling(cell);
        cell.Untold.Clear();
        cell.Correct(corrections, Now);
        Deliver(cell);
        if (corrections.Count > 0) request.Passed = _world.Observer.Thresholds.Told(cell, request.Call.Conversation);
    }

    /// <summary>Stores thresholds that no row has carried.</summary>
    private async Task AnnounceAsync(Cell cell)
    {
        cell.Pin();
        cell.Announcing++;
        await AnnounceAsync(cell, []);
        cell.Announcing--;
        Unpin(cell);
    }

    /// <summary>Stores thresholds that the correction has passed.</summary>
    private async Task AnnounceAsync(Cell cell, IReadOnlyList<ThresholdWatch.Key> passed)
    {
        var crossings = cell.Owner.TakeCrossings();
        if (IsClosing) return;
        try
        {
            if (crossings.Count > 0 && _world.Mutation != Mutation.CorrectionUnannounced)
            {
                if (_world.Mutation != Mutation.CorrectionAnnouncedAtOnce) await _writing.FlushAsync();
                await _world.Store.WriteAsync(this, () => _world.Store.Announce(Shard, crossings));
            }
            _world.Observer.Thresholds.Announced(passed);
        }
        catch (StoreLostException)
        {
            cell.GaveBack = true;
            cell.Owner.GiveBack(crossings);
        }
    }
}
