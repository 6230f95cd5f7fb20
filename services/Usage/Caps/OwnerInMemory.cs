using Usage.Corrections;
using Usage.Metering;

namespace Usage.Caps;

/// <summary>What becomes of a Start: one of these, or nothing, for nobody would hear of it.</summary>
/// <param name="Generation">it runs; what it is told is among the outcomes</param>
/// <param name="Denied">or it does not</param>
/// <param name="FinishedAt">or it is over, and recorded up to here: its runtime only needs to hear that all is well</param>
public readonly record struct StartAnswer(Generation? Generation = null, Outcome? Denied = null, long? FinishedAt = null);

/// <summary>Where an owner stood when somebody began to read the tables for a turn of it: what was read may be older than what it was told, or has forgotten, since then.</summary>
/// <param name="Corrections">that it had been told of</param>
/// <param name="Forgotten">how often it had forgotten something</param>
public readonly record struct ReadPoint(int Corrections, long Forgotten);

/// <summary>
/// One subscription's owner in the memory of one process: whether the tables must be asked before a turn, what is made of their answer, and what may be forgotten because they
/// know it. Not thread-safe, and reads no clock: its host gives it turns, and carries out what they decide.
/// </summary>
/// <param name="epoch">under which it decides: a slab of another one may be out still</param>
public abstract class OwnerInMemory(SubscriptionOwner owner, long epoch)
{
    private const int LookedAtMax = 1_000;
    private readonly RecentlyForgotten _forgotten = new();
    private int _corrections;
    private List<Outcome>? _spare = [];

    public SubscriptionOwner Owner => owner;
    /// <summary>Consequences of the turn being taken; empty between turns.</summary>
    public List<Outcome> Outcomes { get; private set; } = [];
    public bool IsLoaded { get; private set; }
    /// <summary>Calls under way, which may have read the tables and not yet taken their turn.</summary>
    public int Pins { get; private set; }
    public int UncommittedRows { get; set; }
    /// <summary>Billing is being asked about terms that its generations wait for.</summary>
    public bool AskingForTerms { get; set; }
    /// <summary>Real time of the last turn that somebody asked for.</summary>
    public DateTimeOffset LastTurn { get; set; }

    /// <summary>Noted before the tables are read for a turn.</summary>
    public ReadPoint ReadPoint => new(_corrections, _forgotten.Count);

    /// <summary>A call begins: the owner stays in memory until it ends.</summary>
    public void Pin() => Pins++;

    public void Unpin()
    {
        if (--Pins == 0) _forgotten.Clear();
    }

    /// <summary>What the turn decided, to be carried out once: whatever that leads to is decided into another list.</summary>
    public List<Outcome> TakeOutcomes()
    {
        var taken = Outcomes;
        (Outcomes, _spare) = (_spare ?? [], null);
        return taken;
    }

    /// <summary>It was carried out, and its list may be used again.</summary>
    public void Delivered(List<Outcome> outcomes)
    {
        outcomes.Clear();
        _spare = outcomes;
    }

    /// <summary>Whether the tables must be read before a turn about this conversation, or, if it is named, this generation.</summary>
    /// <param name="storeIsAway">then nothing new is granted: whoever asks the tables is told so</param>
    public bool NeedsLoading(string conversation, Guid generation, bool storeIsAway)
    {
        if (!IsLoaded) return true;
        if (generation == Guid.Empty) return conversation.Length > 0 && !owner.Knows(conversation);
        if (owner.Find(generation) is not null) return false;
        return storeIsAway || !IsUnrecorded(generation) || !owner.Knows(conversation);
    }

    /// <summary>
    /// Whether what would be read for the turn lacks rows yet, of a generation that ran and was forgotten without its end. What the owner has in memory is not read. Once the totals are whole they stay so for this
    /// turn: until it is in memory nobody adds to it.
    /// </summary>
    public bool WouldReadBehind(string conversation, Guid generation, TotalsBehind behind) =>
        (behind.Generations.Contains((owner.Subscription, generation)) && owner.Find(generation) is null)
        || (behind.Conversations.Contains((owner.Subscription, conversation)) && !owner.Knows(conversation));

    /// <summary>Whether billing must be asked before the turn, for no terms are known, or all their periods have run out.</summary>
    /// <param name="isKnown">usage has heard of the subscription</param>
    public bool NeedsTerms(Loaded? loaded, DateTimeOffset business, out bool isKnown)
    {
        var known = owner.Terms ?? loaded?.Terms;
        isKnown = known is not null;
        return known is null || known.IsStaleAt(business);
    }

    /// <summary>The turn may be taken, with what was read for it. False: it has to be read, again or after all, for it is older than what the owner was told meanwhile, or forgotten.</summary>
    /// <param name="read">where the owner stood before it was read</param>
    public bool TryLoad(Loaded? loaded, ReadPoint read, string conversation, Guid generation, bool storeIsAway, Moment at)
    {
        if (loaded is null) return !NeedsLoading(conversation, generation, storeIsAway);
        if (_corrections != read.Corrections) return false;
        // What it has in memory is what counts, whatever was read of it.
        if (generation != Guid.Empty && owner.Find(generation) is null && _forgotten.Has(generation, read.Forgotten)) return false;
        if (conversation.Length > 0 && !owner.Knows(conversation) && _forgotten.Has(conversation, read.Forgotten)) return false;
        if (!IsLoaded) Load(loaded, at);
        if (conversation.Length > 0 && !owner.Knows(conversation)) owner.LoadConversation(conversation, loaded.ConversationUsed, at);
        return true;
    }

    private void Load(Loaded loaded, Moment at)
    {
        IsLoaded = true;
        Recorded(loaded.LastGeneration);
        if (loaded.GenerationsAhead.Count > 0) (_recordedAhead ??= []).UnionWith(loaded.GenerationsAhead);
        foreach (var (period, used) in loaded.Periods) owner.LoadPeriod(period, used);
        foreach (var (window, used) in loaded.Windows) owner.LoadWindow(window, used);
        // A slab of this very process belongs to an owner that was forgotten with nothing out; another one's may be out still.
        foreach (var lost in loaded.Slab?.Tokens ?? [])
            if (loaded.Slab!.Value.Epoch != epoch) owner.InheritSlab(lost.Tokens, lost.Until);
            else owner.LoadEndedSlab(lost.Tokens);
        if (loaded.Terms is { } known) owner.ChangeTerms(known, at, Outcomes);
        owner.NotePassed(at);
    }

    /// <summary>A Start, with what the tables have of its generation.</summary>
    /// <param name="isUnheard">whoever said it hears no answer any more</param>
    public StartAnswer Start(
        GenerationHeader header, (GenerationHeader Header, RecordedGeneration Recorded)? stored, long tokensWanted, bool resumed, Attempt attempt, bool isUnheard, Moment at)
    {
        if (owner.Find(header.Id) is null && stored is { } original)
        {
            if (original.Header.Content != header.Content)
                return Deny(header, new(Reasons.GenerationReused, "this generation id was started with other content; a new generation takes a new id"));
            if (original.Recorded.Finish != FinishReason.None)
            {
                // It was sent again because the last acknowledgement was lost.
                owner.ForgetIfIdle(header.Conversation);
                return new(FinishedAt: original.Recorded.LastSequence);
            }
            if (owner.NoPlace is { } noPlace) return Deny(header, noPlace);
            owner.LoadGeneration(header, original.Recorded);
        }
        if (isUnheard && owner.Find(header.Id) is null)
        {
            // The grant would be recorded all the same: whoever said it says it again where he hears.
            owner.ForgetIfIdle(header.Conversation);
            return default;
        }
        if (owner.Start(header, tokensWanted, at, Outcomes, resumed, attempt) is { } generation) return new(generation);
        // The only outcome without a generation is the denial itself.
        var denied = Outcomes[^1];
        Outcomes.RemoveAt(Outcomes.Count - 1);
        return new(Denied: denied);
    }

    /// <summary>A Start that goes no further.</summary>
    public StartAnswer Deny(GenerationHeader header, Refusal why)
    {
        owner.ForgetIfIdle(header.Conversation);
        return new(Denied: new Outcome(OutcomeKind.Denied) { Why = why });
    }

    /// <summary>Billing has been asked about terms that its generations wait for.</summary>
    /// <param name="answer">null: there is none</param>
    public void TermsAnswered(SubscriptionTerms? answer, Moment at)
    {
        if (answer is not null) owner.ChangeTerms(answer, at, Outcomes);
        owner.TermsUnavailable(at, Outcomes);
    }

    /// <summary>Corrections are committed.</summary>
    public void Correct(IReadOnlyList<UsageCorrection> corrections, Moment at)
    {
        if (corrections.Count > 0) _corrections++;
        foreach (var correction in corrections) owner.Correct(correction, at, Outcomes);
    }

    /// <summary>A row is committed.</summary>
    public void Durable(UsageRow row)
    {
        UncommittedRows--;
        owner.Durable(row);
    }

    /// <summary>Drops a conversation that was kept for a correction, if nothing runs in it. It may have been kept longer than what ran in it: whoever has read meanwhile reads again.</summary>
    public void LetGo(string conversation)
    {
        owner.LetGo(conversation);
        if (owner.ForgetIfIdle(conversation) && Pins > 0) _forgotten.Add(conversation);
    }

    /// <summary>The tables know all of it.</summary>
    public void Forget(Generation generation)
    {
        if (Pins > 0) _forgotten.Add(generation);
        owner.Forget(generation);
        Recorded(generation.Id);
    }

    /// <summary>Forgets generations that are over or long silent, and conversations that nobody looks at any more.</summary>
    /// <param name="forgotten">empty; which they are</param>
    /// <returns>true if nothing needs the owner itself any more: the tables know all that it knows, no call is under way, and nobody has asked it for anything for a lease</returns>
    public bool ForgetSilent(DateTimeOffset real, TimeSpan lease, TimeSpan keepsLookedAt, List<Generation> forgotten)
    {
        LookAway(real - keepsLookedAt);
        owner.CollectForgettable(real - lease, forgotten);
        foreach (var generation in forgotten) Forget(generation);
        return Pins == 0 && UncommittedRows == 0 && owner.IsIdle && real - LastTurn >= lease;
    }

    /// <summary>One that nobody knows, or has asked for, is not kept: there may be as many as somebody invents.</summary>
    public bool IsUnknown => Pins == 0 && owner is { Terms: null, IsIdle: true } && UncommittedRows == 0;

    /// <summary>
    /// What is still out when it ends in good order, for its successor. Null if it has not read the tables yet: then it does not know the slab of its lost predecessor, and writing
    /// its own in that place would mint those tokens.
    /// </summary>
    public (long Tokens, DateTimeOffset Until, IReadOnlyList<InheritedSlab> Inherited)? Remainder(DateTimeOffset real)
    {
        if (!IsLoaded) return null;
        var (tokens, until) = owner.Remainder(real);
        return (tokens, until, owner.Leaves(real));
    }

    /// <summary>
    /// The highest generation id that the tables may have without the owner's knowing, but for a few that were ahead of time. When the owner was
    /// loaded the tables had none but those above it, nobody else writes while its tenure lasts, and whatever it forgets since then is noted here.
    /// Ids sort by their time, so a new one is nearly always above, and its Start need not ask the tables whether it has been there before.
    /// </summary>
    private Guid _recordedThrough;
    // Ids of runtimes whose clocks are ahead, each by itself: others must not be sent to the tables because of them.
    private HashSet<Guid>? _recordedAhead;

    private void Recorded(Guid generation)
    {
        if (generation > _recordedThrough) _recordedThrough = generation;
    }

    /// <summary>The tables have nothing of this generation, unless it is in memory.</summary>
    private bool IsUnrecorded(Guid generation) => generation > _recordedThrough && _recordedAhead?.Contains(generation) != true;

    /// <summary>Conversations in which nothing runs, kept because somebody watches them, and when they were looked at last (real time).</summary>
    private Dictionary<string, DateTimeOffset>? _lookedAt;

    /// <summary>Keeps a conversation for a while, so that whoever looks at it again and again does not read it again and again. False if too many are kept.</summary>
    public bool LookAt(string conversation, DateTimeOffset now)
    {
        _lookedAt ??= new(StringComparer.Ordinal);
        if (_lookedAt.Count >= LookedAtMax && !_lookedAt.ContainsKey(conversation)) return false;
        _lookedAt[conversation] = now;
        return true;
    }

    /// <summary>Lets go of those that nobody has looked at since.</summary>
    private void LookAway(DateTimeOffset before)
    {
        if (_lookedAt is null) return;
        foreach (var (conversation, at) in _lookedAt)
        {
            if (at >= before) continue;
            _lookedAt.Remove(conversation);
            owner.ForgetIfIdle(conversation);
        }
        if (_lookedAt.Count == 0) _lookedAt = null;
    }
}
