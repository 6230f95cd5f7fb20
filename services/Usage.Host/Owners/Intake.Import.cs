using Contracts.Usage.V1;
using Usage.Caps;

namespace Usage.Host.Owners;

public sealed partial class Intake
{
    /// <summary>Records a generation that another system has metered, in one turn. Its last acknowledgement goes to the outlet, now or when it is committed.</summary>
    /// <exception cref="RefusedException">owner_moved, or what is wrong: nothing was decided</exception>
    public async Task ImportAsync(Start start, Finish finish, Outlet outlet, CancellationToken ct)
    {
        if (_frames.Read(start, out var header) is { } wrongStart) throw wrongStart.AsException();
        if (Frames.Read(finish, out var frame) is { } wrongFinish) throw wrongFinish.AsException();
        var cell = owners.Pin(header.Subscription);
        try
        {
            if (cell.Tenure.Writer.IsFull) await cell.Tenure.Writer.RoomAsync(ct);
            while (true)
            {
                var loaded = NeedsLoading(cell, header) ? await loader.LoadAsync(header.Subscription, header.Conversation, header.Id) : null;
                var asked = NeedsTerms(cell, loaded) ? await terms.AskAsync(header.Subscription) : null;
                lock (cell.Gate)
                {
                    if (cell.Tenure.IsOver) throw OwnerMoved.AsException();
                    if (loaded is not null) Load(cell, loaded, header.Conversation);
                    // Forgotten since the look: it must be read after all.
                    else if (NeedsLoading(cell, header)) continue;
                    if (asked is not null) cell.Owner.ChangeTerms(asked, owners.NowOf(cell), cell.Outcomes);
                    Import(cell, header, loaded?.Generation, frame, outlet);
                    owners.Deliver(cell);
                    return;
                }
            }
        }
        finally
        {
            OwnerDirectory.Unpin(cell);
        }
    }

    private void Import(OwnerCell cell, GenerationHeader header, (GenerationHeader Header, RecordedGeneration Recorded)? stored, in Frame frame, Outlet outlet)
    {
        if (cell.Owner.Find(header.Id) is null && stored is { } original)
        {
            if (original.Recorded.Finish != Caps.FinishReason.None)
            {
                outlet.Send(Answers.Acknowledged(header.Id, original.Recorded.LastSequence, finished: true));
                return;
            }
            cell.Owner.LoadGeneration(original.Header, original.Recorded);
        }
        if (cell.Owner.Find(header.Id) is { Finished: true, AllDurable: true } done)
        {
            outlet.Send(Answers.Acknowledged(header.Id, done.DurableSequence, finished: true));
            return;
        }
        if (cell.Owner.Import(header, frame, owners.NowOf(cell), cell.Outcomes) is { } generation) owners.Attach(cell, generation, outlet);
        else
        {
            // The only outcome without a generation is the refusal itself.
            var refused = cell.Outcomes[^1];
            cell.Outcomes.RemoveAt(cell.Outcomes.Count - 1);
            owners.Deliver(cell);
            throw refused.Why.AsException();
        }
    }
}
