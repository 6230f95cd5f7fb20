namespace Usage.Caps;

public sealed partial class SubscriptionOwner
{
    /// <summary>The runtime asks for more, ahead of need or because it waits.</summary>
    /// <param name="tokensWanted">beyond what is granted; 0 is the chunk</param>
    public void Renew(Generation generation, long tokensWanted, Moment at, List<Outcome> outcomes)
    {
        if (generation.Finished)
        {
            outcomes.Add(Rejected(generation, 0, Reasons.GenerationFinished, "the generation is finished; a new one takes a new id"));
            return;
        }
        Lapse(generation, at);
        if (generation.Withheld) return;
        if (!Extend(generation, tokensWanted, at, outcomes) && !generation.Stopped) KeepAlive(generation, at, outcomes);
    }

    /// <summary>Adds to a generation's reservation what there is room for. True if it was told so, or will be once the slab covers it.</summary>
    private bool Extend(Generation generation, long wanted, Moment at, List<Outcome> outcomes)
    {
        if (generation.IsEnded || generation.Finished) return false;
        if (Terms is not { Active: true })
            return End(generation, new(Terms?.WhyInactive ?? new Refusal(Reasons.SubscriptionUnknown, "billing does not know this subscription any more; finish")), at, outcomes);
        // It was started under other terms, or its runtime says that it was.
        if (!Terms.Allows(generation.Header.Model)) return End(generation, new(Terms.WhyNotAllowed), at, outcomes);
        if (Terms.IsStaleAt(at.Business))
        {
            Wait(generation, wanted);
            outcomes.Add(new Outcome(OutcomeKind.TermsNeeded));
            return false;
        }
        var size = Size(generation, wanted);
        if (size == 0)
        {
            // It may have waited, and had the rest from what a lost owner had granted.
            Unwait(generation);
            return false;
        }
        var tokens = Math.Min(size, Room(generation.Conversation, at, out _));
        if (tokens > 0)
        {
            Unwait(generation);
            OpenWindows(at.Business);
            Hold(generation, tokens);
            TellWhenCovered(generation, at, outcomes);
            return true;
        }
        if (Exhausted(generation, at.Business) is { } rule) return End(generation, AtCap(rule), at, outcomes);
        // What is left is held by others: whatever they return is granted here.
        Wait(generation, wanted);
        return false;
    }

    /// <summary>No further grant can follow: what is held may still be used, then it is over.</summary>
    private bool End(Generation generation, Ending why, Moment at, List<Outcome> outcomes)
    {
        if (generation.Held == 0)
        {
            Stop(generation, why, outcomes);
            return false;
        }
        Unwait(generation);
        generation.Ended = why;
        TellWhenCovered(generation, at, outcomes);
        return true;
    }

    private void ServeWaiting(Moment at, List<Outcome> outcomes)
    {
        for (var i = 0; i < _waiting.Count;)
        {
            var generation = _waiting[i];
            Extend(generation, generation.Wanted, at, outcomes);
            if (i < _waiting.Count && ReferenceEquals(_waiting[i], generation)) i++;
        }
    }

    /// <summary>A word from its runtime keeps a lease alive; told again only when half of it is gone, so that busy streams stay quiet.</summary>
    private void KeepAlive(Generation generation, Moment at, List<Outcome> outcomes)
    {
        if (generation.Held == 0 && generation.Waiting) generation.ExpiresAt = at.Real + limits.Lease;
        else if (generation.Held > 0 && generation.ExpiresAt - at.Real < limits.Lease / 2) TellWhenCovered(generation, at, outcomes);
    }

    /// <summary>The grant as it stands. The first one also records the prompt: from here on the runtime works on it.</summary>
    private void Tell(Generation generation, Moment at, List<Outcome> outcomes)
    {
        if (!generation.Started) RecordPrompt(generation, outcomes);
        var lease = at.Real + limits.Lease;
        // Nothing that only this owner knows of may be valid for longer than the slab says it may be out.
        generation.ExpiresAt = Exposed > 0 && _slabUntil > at.Real && _slabUntil < lease ? _slabUntil : lease;
        if (!generation.IsAllGranted && !generation.IsEnded && Exhausted(generation, at.Business) is { } rule) generation.Ended = AtCap(rule);
        // With nothing held it repeats what was reported. That has no slab of this owner to outlive it in if a lost one granted it: nothing is promised anew.
        var promised = generation.Held > 0 || Exposed == 0 || _slabUntil > at.Real ? generation.ExpiresAt : at.Real;
        generation.Told = generation.GeneratedTokens + generation.Held;
        outcomes.Add(Outcome.Granting(generation, generation.Told, promised));
    }

    private void Stop(Generation generation, Ending why, List<Outcome> outcomes)
    {
        Unwait(generation);
        (generation.Ended, generation.Stopped) = (why, true);
        outcomes.Add(new Outcome(OutcomeKind.Stopped) { Generation = generation, Why = why.Why, Window = why.Window });
    }

    private static Ending AtCap(CapRule rule) =>
        new(new Refusal(Reasons.CapReached, $"the cap of {rule.Tokens} tokens per {rule.Window.Name()} is reached; finish with reason CAP"), rule.Window);
}
