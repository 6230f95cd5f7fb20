namespace Usage.Caps;

/// <summary>Tokens that a lost owner may have out, until a time of the real clock.</summary>
public readonly record struct InheritedSlab(long Tokens, DateTimeOffset Until);

/// <summary>
/// A crash must not mint tokens. Before tokens go out, the owner has a durable promise, the slab: no more than so many are out or reported
/// and not yet committed, and none may be generated after its lease. Whoever takes over without knowing what went out counts the whole slab as reserved until that time.
/// While its owner lives a slab reserves nothing: only what is held does.
/// </summary>
public sealed partial class SubscriptionOwner
{
    private readonly List<Generation> _withheld = [];
    private long _slabTokens, _slabTokensAsked, _uncommitted;
    private DateTimeOffset _slabUntil;
    // Owners that crash faster than leases end leave more and more: the two that end first are then kept as one, until the later of their ends.
    private const int InheritedMax = 8;
    // One that is used up is kept until it ends, and with it this owner: its row would be reserved once more by whoever reads the tables meanwhile.
    private readonly List<InheritedSlab> _inherited = [];
    // What was granted by owners before this one, or by this one to generations that it has forgotten: no more than this is claimed of it, reserved or not.
    private long _claimable;

    /// <summary>Since when a slab is being made durable, by the real clock; null if none is. Grants may wait for it.</summary>
    public DateTimeOffset? SlabAskedAt { get; private set; }

    /// <summary>What only this owner knows of: granted, or reported and not committed.</summary>
    private long Exposed => _held + _uncommitted;

    /// <summary>The slab of an owner that was lost, or one that it had inherited itself. Each ends with its own lease.</summary>
    public void InheritSlab(long tokens, DateTimeOffset until)
    {
        if (tokens <= 0) return;
        _claimable += tokens;
        var place = _inherited.FindIndex(slab => slab.Until > until);
        _inherited.Insert(place < 0 ? _inherited.Count : place, new(tokens, until));
        if (_inherited.Count <= InheritedMax) return;
        _inherited[1] = _inherited[1] with { Tokens = _inherited[0].Tokens + _inherited[1].Tokens };
        _inherited.RemoveAt(0);
    }

    /// <summary>The slab of an owner that was forgotten with nothing out: it reserves nothing, and what it had granted may be reported still.</summary>
    public void LoadEndedSlab(long tokens) => _claimable += tokens;

    /// <summary>What was inherited and has not ended, in the order of its ends: a successor must know of it beside this owner's own slab.</summary>
    public IReadOnlyList<InheritedSlab> Inherited(DateTimeOffset confirmed) => [.. _inherited.Where(slab => confirmed < slab.Until && slab.Tokens > 0)];

    /// <summary>The promise is committed: what waited for it goes out.</summary>
    public void SlabDurable(long tokens, DateTimeOffset until, Moment at, List<Outcome> outcomes)
    {
        (_slabTokens, _slabUntil, SlabAskedAt) = (tokens, until, null);
        if (IsCovered(at.Real))
        {
            Generation[] released = [.. _withheld.Where(g => !g.Finished)];
            foreach (var generation in _withheld) generation.Withheld = false;
            _withheld.Clear();
            foreach (var generation in released) TakeBack(generation, at);
            foreach (var generation in released)
                // Its prompt is used: whoever gets nothing must be able to finish all the same.
                if (generation.Held > 0 || !generation.Started) Tell(generation, at, outcomes);
            // Frames sent again after a crash may have used up what was kept back: nothing else would ask for more. Last, for it may need a larger slab.
            foreach (var generation in released)
                if (generation.Held == 0 && !Extend(generation, 0, at, outcomes) && !generation.Stopped) Tell(generation, at, outcomes);
        }
        EnsureSlab(at, outcomes);
    }

    /// <summary>A cap was lowered, a correction has filled it, or nothing is granted any more, while a grant was kept back: what has no room was never told, and is not told now.</summary>
    private void TakeBack(Generation generation, Moment at)
    {
        var untold = generation.Held - Math.Max(generation.Told - generation.GeneratedTokens, 0);
        var isGranted = Terms is { Active: true } terms && terms.Allows(generation.Header.Model);
        var beyond = isGranted ? Math.Min(-Left(generation.Conversation, at, out _), untold) : untold;
        if (beyond > 0) Hold(generation, -beyond);
    }

    /// <summary>What to leave behind when the owner ends in good order: exactly what is out, until the last of it lapses. 0 tokens: nothing.</summary>
    public (long Tokens, DateTimeOffset Until) Remainder(DateTimeOffset real)
    {
        var (tokens, until) = (_uncommitted, real);
        if (_uncommitted > 0 && _slabUntil > until) until = _slabUntil;
        foreach (var generation in _generations.Values)
        {
            // What is kept back has not gone out; what was told before it has.
            var held = generation.Withheld ? Math.Min(generation.Told - generation.GeneratedTokens, generation.Held) : generation.Held;
            if (held <= 0) continue;
            tokens += held;
            if (generation.ExpiresAt > until) until = generation.ExpiresAt;
        }
        return (tokens, until);
    }

    /// <summary>
    /// What to leave beside it: what was inherited and has not ended, and, as a slab that has, what ended with its lease here and may be reported still.
    /// </summary>
    public IReadOnlyList<InheritedSlab> Leaves(DateTimeOffset real)
    {
        // Of generations that it still knows, of those that it has forgotten, and what earlier owners left in the same way.
        var ended = _generations.Values.Sum(g => g.Finished ? 0 : g.Lapsed) + Math.Max(_claimable - InheritedAt(real), 0);
        return ended == 0 ? Inherited(real) : [new(ended, DateTimeOffset.UnixEpoch), .. Inherited(real)];
    }

    /// <summary>What the slab promises, the one inherited included.</summary>
    public long SlabTokensAt(DateTimeOffset real) => (real < _slabUntil ? _slabTokens : 0) + InheritedAt(real);

    private long InheritedAt(DateTimeOffset confirmed)
    {
        var tokens = 0L;
        foreach (var slab in _inherited)
            if (confirmed < slab.Until) tokens += slab.Tokens;
        return tokens;
    }

    private void EndInherited(DateTimeOffset confirmed) => _inherited.RemoveAll(slab => confirmed >= slab.Until);

    /// <summary>
    /// Tokens of a lost owner are accounted for. Nobody knows which of several had granted them; taken from the slab that ends first they leave at
    /// least as much reserved, at any time, as the others may have out.
    /// </summary>
    private void TakeInherited(long tokens, DateTimeOffset confirmed)
    {
        _claimable = Math.Max(_claimable - tokens, 0);
        for (var i = 0; i < _inherited.Count && tokens > 0; i++)
        {
            if (confirmed >= _inherited[i].Until) continue;
            var taken = Math.Min(tokens, _inherited[i].Tokens);
            _inherited[i] = _inherited[i] with { Tokens = _inherited[i].Tokens - taken };
            tokens -= taken;
        }
    }

    /// <summary>While a new slab is being written either of the two may be the one a successor finds, so both must cover.</summary>
    private bool IsCovered(DateTimeOffset real) =>
        Exposed <= (SlabAskedAt is not null ? Math.Min(_slabTokens, _slabTokensAsked) : _slabTokens) && _slabUntil - real >= limits.Lease / 2;

    /// <summary>Beyond this part of a slab the next one is asked for, so that it is durable before this one is used up: nobody waits for it then.</summary>
    private static long EnoughOf(long slab) => slab - slab / 4;

    private void EnsureSlab(Moment at, List<Outcome> outcomes)
    {
        // A grant may be kept back that holds nothing any more, for frames sent again after a crash have used it up: it waits for its slab all the same.
        if (SlabAskedAt is not null || (_held == 0 && _withheld.Count == 0) || (Exposed <= EnoughOf(_slabTokens) && _slabUntil - at.Real > limits.Lease)) return;
        var chunks = Math.Max(MeterLimits.SlabChunksMin, 2 * Exposed / limits.ChunkTokens + 1);
        _slabTokensAsked = chunks * limits.ChunkTokens;
        SlabAskedAt = at.Real;
        // What was inherited is written beside it: it is promised still, but only until its own lease ends.
        outcomes.Add(new Outcome(OutcomeKind.SlabNeeded) { Number = _slabTokensAsked, When = at.Real + limits.SlabLease });
    }

    /// <summary>Sends the grant as it stands, or keeps it back until the slab covers it.</summary>
    private void TellWhenCovered(Generation generation, Moment at, List<Outcome> outcomes)
    {
        EnsureSlab(at, outcomes);
        if (generation.Withheld) return;
        if (IsCovered(at.Real))
        {
            Tell(generation, at, outcomes);
            return;
        }
        generation.Withheld = true;
        _withheld.Add(generation);
    }
}
