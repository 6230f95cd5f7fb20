using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <summary>Terms that have run out: what Intake does before a turn, and OwnerDirectory after one that needs them.</summary>
internal sealed partial class Hold
{
    /// <summary>What the tables have of it, if it is not in memory, and what billing has that is newer, if it has to be asked; neither may be older than what the owner has been told meanwhile.</summary>
    private async Task<(Loaded? Loaded, SubscriptionTerms? Asked)> ReadAndAskAsync(Cell cell, GenerationHeader header)
    {
        while (true)
        {
            var corrections = cell.Corrections;
            var loaded = !cell.Loaded || cell.Owner.Find(header.Id) is null ? await ReadAsync(cell, header.Subscription, header.Conversation, header.Id) : null;
            var asked = (cell.Owner.Terms ?? loaded?.Terms) is { } known && known.IsStaleAt(_world.Now.Business) ? await Instance.Terms.AskAsync(this, header.Subscription) : null;
            if (loaded is not null ? cell.Corrections == corrections : cell.Owner.Find(header.Id) is not null) return (loaded, asked);
        }
    }

    private async Task RefreshTermsAsync(Cell cell)
    {
        // The answer may be known already, and the turn that needs it is not over: what follows is another one.
        await Pause(0);
        var asked = await Instance.Terms.AskAsync(this, cell.Owner.Subscription);
        cell.AskingForTerms = false;
        if (IsClosing) return;
        Turn(cell, (owner, outcomes) =>
        {
            if (asked is not null) owner.ChangeTerms(asked, Now, outcomes);
            owner.TermsUnavailable(Now, outcomes);
        });
    }
}
