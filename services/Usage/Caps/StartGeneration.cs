using Usage.Metering;

namespace Usage.Caps;

public sealed partial class SubscriptionOwner
{
    /// <summary>Opens a generation with its first grant, or denies it. A Start that is repeated meets its original.</summary>
    /// <param name="tokensWanted">a larger first grant than the chunk; 0 is the chunk</param>
    /// <param name="resumed">its runtime says that it was granted tokens before</param>
    /// <param name="attempt">once one is denied, none that was said before it opens the generation</param>
    public Generation? Start(GenerationHeader header, long tokensWanted, Moment at, List<Outcome> outcomes, bool resumed = false, Attempt attempt = default)
    {
        if (_generations.TryGetValue(header.Id, out var known)) return Resume(known, header, tokensWanted, at, outcomes);
        if (_denied.Of(header.Id, attempt) is { } refusal) Deny(header, refusal, null, null, outcomes);
        else if (Open(header, tokensWanted, at, outcomes, resumed) is { } opened) return opened;
        else _denied.Add(header.Id, attempt, outcomes[^1].Why.Code, at.Real);
        ForgetIfIdle(header.Conversation);
        return null;
    }

    private Generation? Open(GenerationHeader header, long tokensWanted, Moment at, List<Outcome> outcomes, bool resumed)
    {
        if (Refusing(header, resumed, at) is { } refusal) return Deny(header, refusal, null, null, outcomes);
        if (resumed) return Reopen(header, tokensWanted, at, outcomes);

        var conversation = ConversationOf(header.Conversation);
        var room = RoomWithPrompt(header, conversation, at, out var tightest);
        if (room <= 0) return Deny(header, CapReached(tightest!), tightest, ReopensAt(tightest!, at.Business), outcomes);

        // While a slab lasts it may be one that the lost owner has granted: a Start that was said twice, on ways that are not equally long.
        var generation = new Generation(header, conversation, InheritedAt(at.Confirmed) > 0);
        Add(generation);
        Use(conversation, header.Prompt, at.Business);
        generation.ExposedPrompt = _capsCountPrompts ? header.Prompt.Prompt : 0;
        _uncommitted += generation.ExposedPrompt;
        generation.PromptRow = PromptRow(generation, header.Prompt, 0, at);
        _promptsWaiting.Add(generation);
        Hold(generation, Math.Min(room, Size(generation, tokensWanted)));
        TellWhenCovered(generation, at, outcomes);
        return generation;
    }

    private Generation? Resume(Generation generation, GenerationHeader header, long tokensWanted, Moment at, List<Outcome> outcomes)
    {
        if (generation.Header.Content != header.Content)
            return Deny(header, new Refusal(Reasons.GenerationReused, "this generation id was started with other content; a new generation takes a new id"), null, null, outcomes);

        if (generation.DurableSequence >= 0 || generation.NextSequence > 1) outcomes.Add(new Outcome(OutcomeKind.Resumed) { Generation = generation, Number = generation.DurableSequence });
        if (generation.Finished) return generation;

        Lapse(generation, at);
        if (generation.Held > 0 && !generation.Withheld) TellWhenCovered(generation, at, outcomes);
        else if (!generation.Withheld)
        {
            // The answer to a resumed Start comes at once, even if nothing can be granted yet; and if it is over, that may not have been heard.
            if (generation.Ended is { } why) Stop(generation, why, outcomes);
            else if (!Extend(generation, tokensWanted, at, outcomes) && !generation.IsEnded) Tell(generation, at, outcomes);
        }
        return generation;
    }

    /// <summary>
    /// A generation that a lost owner had granted tokens to, and of which nothing was committed. Its runtime has worked on the prompt, and may
    /// have generated: it opens whatever room is left, so that all of this can be reported. What no lost owner can have granted comes out as
    /// overrun, and so does what no slab reserves any more and no cap has room for; so a runtime gains nothing by saying it of a new one.
    /// </summary>
    private Generation? Reopen(GenerationHeader header, long tokensWanted, Moment at, List<Outcome> outcomes)
    {
        var conversation = ConversationOf(header.Conversation);
        var inherited = InheritedAt(at.Confirmed);
        foreach (var rule in _rules)
        {
            var prompt = rule.Hard ? header.Prompt.Of(rule.Kinds) : 0;
            // What the lost owner had out is in its slab, this prompt among it.
            if (prompt == 0 || UsedIn(rule.Window, conversation, at.Business).Of(rule.Kinds) + ReservedIn(rule, conversation, at.Confirmed) - inherited + prompt <= rule.Tokens) continue;
            return Deny(header, CapReached(rule), rule, ReopensAt(rule, at.Business), outcomes);
        }

        var generation = new Generation(header, conversation, inherited: true);
        Add(generation);
        Use(conversation, header.Prompt, at.Business);
        generation.ExposedPrompt = _capsCountPrompts ? header.Prompt.Prompt : 0;
        _uncommitted += generation.ExposedPrompt;
        TakeInherited(generation.ExposedPrompt, at.Confirmed);
        generation.PromptRow = PromptRow(generation, header.Prompt, 0, at);
        RecordPrompt(generation, outcomes);
        if (!Extend(generation, tokensWanted, at, outcomes) && !generation.IsEnded) Tell(generation, at, outcomes);
        return generation;
    }

    private Refusal? Refusing(GenerationHeader header, bool resumed, Moment at)
    {
        if (Terms is not { } terms)
            return new(Reasons.SubscriptionUnknown, "billing does not know this subscription; check its id, or start again once it exists");
        // What was generated under other terms is reported under these.
        if (!resumed && !terms.Active) return terms.WhyInactive;
        if (!resumed && terms.IsStaleAt(at.Business))
            return new(Reasons.SubscriptionStale, $"the periods known end at {terms.Next.End:O} and billing names no later one; start again later");
        if (!resumed && !terms.Allows(header.Model)) return terms.WhyNotAllowed;
        return NoPlace;
    }

    /// <summary>As many run as may, so that none may be added, be it new or one that comes back; null while there is a place.</summary>
    public Refusal? NoPlace => _generations.Count < limits.GenerationsMax
        ? null
        : new(Reasons.GenerationsTooMany, $"{limits.GenerationsMax} generations of this subscription are running; finish one first");

    /// <summary>Room for generated tokens after the prompt, which is known whole and checked whole in every hard cap that counts its kinds.</summary>
    private long RoomWithPrompt(GenerationHeader header, Conversation conversation, Moment at, out CapRule? tightest)
    {
        var room = Room(conversation, at, out tightest);
        foreach (var rule in _rules)
        {
            if (!rule.Hard) continue;
            var prompt = header.Prompt.Of(rule.Kinds);
            if (prompt == 0) continue;
            var left = rule.Tokens - UsedIn(rule.Window, conversation, at.Business).Of(rule.Kinds) - ReservedIn(rule, conversation, at.Confirmed) - prompt;
            if (left < 0 || (rule.CountsGenerated && left < room)) (room, tightest) = (left, rule);
            if (left < 0) return left;
        }
        return room;
    }

    /// <summary>How many tokens the next grant of this generation should add, caps aside.</summary>
    private long Size(Generation generation, long wanted)
    {
        var size = Math.Min(Math.Max(wanted, limits.ChunkTokens), Math.Max(limits.GrantTokensMax - generation.Held, 0));
        if (generation.Header.OutputTokensMax > 0)
            size = Math.Min(size, Math.Max(generation.Header.OutputTokensMax - generation.GeneratedTokens - generation.Held, 0));
        return size;
    }

    private static Generation? Deny(GenerationHeader header, Refusal refusal, CapRule? rule, DateTimeOffset? retryAfter, List<Outcome> outcomes)
    {
        outcomes.Add(new Outcome(OutcomeKind.Denied) { Why = refusal, Window = rule?.Window, When = retryAfter });
        return null;
    }

    private static Refusal CapReached(CapRule rule) => new(
        Reasons.CapReached, $"the cap of {rule.Tokens} tokens per {rule.Window.Name()} leaves no room; part of it may be held by generations that still run");

    /// <summary>When a used-up window opens again; null for a conversation, which never does.</summary>
    private DateTimeOffset? ReopensAt(CapRule rule, DateTimeOffset business) => rule.Window switch
    {
        CapWindow.Conversation => null,
        CapWindow.FiveHours => _fiveHours.IsOpenAt(business) ? _fiveHours.Current!.ClosesAt : null,
        CapWindow.Week => _week.IsOpenAt(business) ? _week.Current!.ClosesAt : null,
        CapWindow.BillingPeriod => Terms!.PeriodAt(business).End,
    };
}
