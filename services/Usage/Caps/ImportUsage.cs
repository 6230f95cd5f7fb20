using Usage.Metering;

namespace Usage.Caps;

public sealed partial class SubscriptionOwner
{
    /// <summary>
    /// Records a whole generation that another system has metered: its prompt and its end in one turn. Nothing is granted, for it is over. What
    /// the hard caps have room for is used; the rest is overrun, never billed. A repeat meets its original.
    /// </summary>
    /// <remarks>
    /// No slab covers what is not committed yet. After a crash it is neither granted nor held by anybody: it is imported again, into whatever room
    /// there is then.
    /// </remarks>
    /// <param name="finish">its totals, with the sequence that follows the last one in the tables</param>
    public Generation? Import(GenerationHeader header, in Frame finish, Moment at, List<Outcome> outcomes)
    {
        if (Terms is null)
            return Deny(header, new Refusal(Reasons.SubscriptionUnknown, "billing does not know this subscription; check its id, or import again once it exists"), null, null, outcomes);
        if (!_generations.TryGetValue(header.Id, out var generation)) generation = ImportPrompt(header, at, outcomes);
        if (finish.Sequence != generation.NextSequence || generation.Finished) outcomes.Add(NotNext(generation, finish));
        else if (Increment(generation, finish, out var increment) is { } refusal) outcomes.Add(Rejected(generation, finish.Sequence, refusal.Code, refusal.Detail));
        else
        {
            var room = Math.Min(increment.Generated, Room(generation.Conversation, at, out _));
            var (covered, overrun) = (increment.FirstGenerated(room), increment.Generated - room);
            generation.Reported += increment;
            CountImported(generation, covered, overrun, at);
            Record(generation, finish, covered, overrun, exposed: 0, at, outcomes);
        }
        return generation;
    }

    /// <summary>A prompt is checked whole, as ever: where a hard cap that counts it has no room, all of it is overrun.</summary>
    private Generation ImportPrompt(GenerationHeader header, Moment at, List<Outcome> outcomes)
    {
        var generation = new Generation(header, ConversationOf(header.Conversation), inherited: false);
        Add(generation);
        var fits = true;
        foreach (var rule in _rules)
        {
            var prompt = rule.Hard ? header.Prompt.Of(rule.Kinds) : 0;
            fits &= prompt == 0 || UsedIn(rule.Window, generation.Conversation, at.Business).Of(rule.Kinds) + ReservedIn(rule, generation.Conversation, at.Confirmed) + prompt <= rule.Tokens;
        }
        var covered = fits ? header.Prompt : Tally.Zero;
        CountImported(generation, covered, header.Prompt.Prompt - covered.Prompt, at);
        generation.PromptRow = PromptRow(generation, covered, header.Prompt.Prompt - covered.Prompt, at);
        RecordPrompt(generation, outcomes);
        return generation;
    }

    private void CountImported(Generation generation, in Tally covered, long overrun, Moment at)
    {
        Use(generation.Conversation, covered, at.Business);
        generation.Counted += new Tally(0, 0, 0, covered.Output, covered.Reasoning);
        generation.OverrunTokens += overrun;
    }
}
