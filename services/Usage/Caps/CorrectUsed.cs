using Usage.Corrections;
using Usage.Metering;

namespace Usage.Caps;

public sealed partial class SubscriptionOwner
{
    /// <summary>
    /// A correction is committed. What it takes away is room again, in the period, the conversation and the windows that are open; what it
    /// adds is used, even beyond a cap: then nothing is granted until there is room.
    /// </summary>
    public void Correct(UsageCorrection correction, Moment at, List<Outcome> outcomes)
    {
        _periods[correction.Period] = _periods.GetValueOrDefault(correction.Period) + correction.Deltas;
        if (_conversations.TryGetValue(correction.Conversation, out var conversation)) conversation.Use(correction.Deltas);
        foreach (var (window, deltas) in correction.Windows)
            if (Rolling(window.Window) is { Current: { } open } rolling && open.OpenedAt == window.OpenedAt) rolling.Use(deltas);
        if (Terms is not null) NoteThresholds(conversation, at.Business);
        ServeWaiting(at, outcomes);
    }

    /// <summary>Keeps a conversation in memory while its totals are being corrected; it must have been loaded.</summary>
    public void Keep(string conversation)
    {
        if (_conversations.TryGetValue(conversation, out var known)) known.Generations++;
    }

    /// <summary>Ends <see cref="Keep"/>.</summary>
    public void LetGo(string conversation)
    {
        if (_conversations.TryGetValue(conversation, out var known)) known.Generations--;
    }
}
