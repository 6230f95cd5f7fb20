using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <summary>Terms that have run out: what OwnerDirectory does after a turn that needs newer ones.</summary>
internal sealed partial class Hold
{
    private async Task RefreshTermsAsync(Cell cell)
    {
        // The answer may be known already, and the turn that needs it is not over: what follows is another one.
        await Pause(0);
        var asked = await Instance.Terms.AskAsync(this, cell.Owner.Subscription);
        cell.AskingForTerms = false;
        if (IsClosing) return;
        cell.TermsAnswered(asked, Now);
        Deliver(cell);
    }
}
