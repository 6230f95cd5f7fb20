namespace Usage.Caps;

/// <summary>How a reservation ends, exactly once: settled by a Finish, or lapsed with its lease.</summary>
public sealed partial class SubscriptionOwner
{
    /// <summary>Ends every lease that has run out, and passes on what becomes free. Called from time to time.</summary>
    public void Expire(Moment at, List<Outcome> outcomes)
    {
        EndInherited(at.Confirmed);
        foreach (var generation in _generations.Values)
        {
            if (generation.Finished || generation.Withheld || at.Confirmed < generation.ExpiresAt) continue;
            if (generation.Held == 0 && !generation.Waiting) continue;
            Lapse(generation, at);
            Unwait(generation);
            // It has been told already; what it held ends all the same.
            if (generation.Stopped) continue;
            outcomes.Add(new Outcome(OutcomeKind.Stopped)
            {
                Generation = generation,
                Why = new Refusal(Reasons.GrantExpired, "no word came before the grant expired; report what was generated, and renew or finish"),
            });
        }
        ServeWaiting(at, outcomes);
        EnsureSlab(at, outcomes);
    }

    /// <summary>Generations that are over, or silent since <paramref name="before"/>, with nothing left to commit: they can be forgotten.</summary>
    public void CollectForgettable(DateTimeOffset before, List<Generation> into)
    {
        foreach (var generation in _generations.Values)
            if (generation.AllDurable && (generation.Finished || (generation.Started && generation.ExpiresAt < before && generation.Held == 0 && !generation.Waiting)))
                into.Add(generation);
    }

    private void Settle(Generation generation)
    {
        Unwait(generation);
        Release(generation);
        generation.Lapsed = 0;
    }

    /// <summary>A grant that outlived its lease reserves nothing any more.</summary>
    private void Lapse(Generation generation, Moment at)
    {
        if (generation.Withheld || generation.Held == 0 || at.Confirmed < generation.ExpiresAt) return;
        generation.Lapsed += Release(generation);
        // No more could follow because it held the rest; what it held is free for whoever asks first, itself among them.
        if (!generation.Stopped) generation.Ended = null;
    }
}
