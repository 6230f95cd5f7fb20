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
            await TurnAsync(header.Subscription, header.Conversation, header.Id, (owned, stored) =>
            {
                Import(owned, header, stored, frame, outlet);
                return owned;
            }, writes: true, waits: true, ct);
        }
        finally
        {
            owners.Unpin(cell);
        }
    }

    private void Import(OwnerCell cell, GenerationHeader header, (GenerationHeader Header, RecordedGeneration Recorded)? stored, in Frame frame, Outlet outlet)
    {
        if (cell.Owner.Find(header.Id) is null && stored is { } original)
        {
            if (original.Recorded.Finish != Caps.FinishReason.None)
            {
                outlet.Send(Answers.Acknowledged(header.Id, original.Recorded.LastSequence, finished: true));
                cell.Owner.ForgetIfIdle(header.Conversation);
                return;
            }
            cell.Owner.LoadGeneration(original.Header, original.Recorded);
        }
        if (cell.Owner.Find(header.Id) is { Finished: true, AllDurable: true } done)
        {
            outlet.Send(Answers.Acknowledged(header.Id, done.DurableSequence, finished: true));
            return;
        }
        if (cell.Owner.Import(header, frame, owners.NowOf(cell), cell.Outcomes) is not { } generation)
        {
            // The only outcome without a generation is the refusal itself.
            var refused = cell.Outcomes[^1];
            cell.Outcomes.RemoveAt(cell.Outcomes.Count - 1);
            owners.Deliver(cell);
            throw refused.Why.AsException();
        }
        owners.Attach(cell, generation, outlet);
        owners.Deliver(cell);
    }
}
