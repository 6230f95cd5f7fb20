using Usage.Metering;

namespace Usage.Caps;

/// <summary>
/// The one place where a subscription's tokens are granted: it holds what is used and reserved in every window, and decides one
/// thing at a time. It does no I/O and reads no clock; what must happen is in the outcomes. Not thread-safe: its host gives it turns.
/// </summary>
/// <remarks>
/// A reservation belongs to the generation, and counts in whatever windows are open when one looks: when a window turns, tokens that
/// are still out will be reported in the next one, so that is where they are reserved.
/// </remarks>
public sealed partial class SubscriptionOwner(Guid subscription, MeterLimits limits)
{
    private readonly Dictionary<Guid, Generation> _generations = [];
    private readonly Dictionary<string, Conversation> _conversations = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, Tally> _periods = [];
    private readonly RollingWindow _fiveHours = new(CapWindow.FiveHours);
    private readonly RollingWindow _week = new(CapWindow.Week);
    private readonly List<Generation> _waiting = [];
    private readonly DeniedStarts _denied = new(limits.Lease * DeniedStarts.LeasesKept);
    private CapRule[] _rules = [];
    private bool _capsCountPrompts;
    private long _held;

    public Guid Subscription { get; } = subscription;
    public SubscriptionTerms? Terms { get; private set; }
    public int Generations => _generations.Count;

    /// <summary>Granted and not yet reported, over all generations.</summary>
    public long HeldTokens => _held;

    public Generation? Find(Guid generation) => _generations.GetValueOrDefault(generation);
    public bool Knows(string conversation) => _conversations.ContainsKey(conversation);

    /// <summary>What is in the tables, before the first decision.</summary>
    public void LoadPeriod(Guid period, in Tally used) => _periods[period] = used;

    public void LoadWindow(OpenWindow open, in Tally used) => Rolling(open.Window).Load(open, used);

    public void LoadConversation(string name, in Tally used, Moment at)
    {
        var loaded = new Conversation(name, used);
        if (_conversations.TryAdd(name, loaded)) NotePassed(loaded, at.Business);
    }

    /// <summary>A generation as the tables have it: its owner was lost, or it was silent for so long that it was forgotten.</summary>
    public Generation LoadGeneration(GenerationHeader header, in RecordedGeneration recorded)
    {
        var generation = new Generation(header, ConversationOf(header.Conversation), recorded);
        Add(generation);
        return generation;
    }

    /// <summary>Newer terms replace older ones; used tokens stay, and grants that are out run to their end.</summary>
    public void ChangeTerms(SubscriptionTerms terms, Moment at, List<Outcome> outcomes)
    {
        if (Terms is { } known && terms.Version <= known.Version) return;
        Terms = terms.After(Terms);
        _rules = CapRule.Of(Terms);
        WatchRules(at.Business);
        _capsCountPrompts = _rules.Any(r => r.Hard && (r.Kinds & CountedKinds.Prompt) != 0);
        ServeWaiting(at, outcomes);
    }

    /// <summary>Billing was asked for newer terms and had none: what waits for them is stopped.</summary>
    public void TermsUnavailable(Moment at, List<Outcome> outcomes)
    {
        if (Terms is null || !Terms.IsStaleAt(at.Business)) return;
        while (_waiting.Count > 0)
            Stop(_waiting[0], new(new Refusal(Reasons.SubscriptionStale, "the subscription's periods have run out and billing does not answer; finish, and start again later")), outcomes);
    }

    /// <summary>Drops a generation that is over and committed, and its conversation if nothing else runs in it.</summary>
    public void Forget(Generation generation)
    {
        if (!_generations.Remove(generation.Id)) return;
        if (!generation.Finished) _claimable += generation.Lapsed;
        Release(generation);
        Unwait(generation);
        _withheld.Remove(generation);
        _promptsWaiting.Remove(generation);
        generation.Conversation.Generations--;
        ForgetIfIdle(generation.Conversation.Name);
    }

    /// <summary>Drops a conversation in which nothing runs: the tables know it.</summary>
    /// <returns>whether it was known</returns>
    public bool ForgetIfIdle(string conversation) => _conversations.TryGetValue(conversation, out var known) && known.Generations == 0 && _conversations.Remove(conversation);

    /// <summary>True when the tables know all that this owner knows: it may be forgotten and loaded again.</summary>
    public bool IsIdle => _generations.Count == 0 && _uncommitted == 0 && _inherited.Count == 0 && SlabAskedAt is null && !HasCrossings;

    private Conversation ConversationOf(string name)
    {
        if (!_conversations.TryGetValue(name, out var conversation)) _conversations.Add(name, conversation = new Conversation(name, Tally.Zero));
        return conversation;
    }

    private void Add(Generation generation)
    {
        _generations.Add(generation.Id, generation);
        generation.Conversation.Generations++;
    }

    private RollingWindow Rolling(CapWindow window) => window == CapWindow.FiveHours ? _fiveHours : _week;

    private Tally UsedIn(CapWindow window, Conversation conversation, DateTimeOffset business) => window switch
    {
        CapWindow.Conversation => conversation.Used,
        CapWindow.FiveHours => _fiveHours.UsedAt(business),
        CapWindow.Week => _week.UsedAt(business),
        CapWindow.BillingPeriod => Terms is { } terms ? _periods.GetValueOrDefault(terms.PeriodAt(business).Id) : Tally.Zero,
    };

    private void OpenWindows(DateTimeOffset business)
    {
        foreach (var rule in _rules)
            if (rule.Window is CapWindow.FiveHours or CapWindow.Week) Rolling(rule.Window).OpenAt(business);
    }

    private void Use(Conversation conversation, in Tally tokens, DateTimeOffset business)
    {
        OpenWindows(business);
        conversation.Use(tokens);
        _fiveHours.Use(tokens);
        _week.Use(tokens);
        var period = Terms!.PeriodAt(business).Id;
        _periods[period] = _periods.GetValueOrDefault(period) + tokens;
    }

    /// <summary>Tokens that may still be granted to a generation of this conversation: the tightest hard cap less used, held and inherited.</summary>
    private long Room(Conversation conversation, Moment at, out CapRule? tightest) => Math.Max(Left(conversation, at, out tightest), 0);

    /// <summary>The same, below zero when a cap was lowered or a lost owner's slab is larger than what is left.</summary>
    private long Left(Conversation conversation, Moment at, out CapRule? tightest)
    {
        var room = long.MaxValue;
        tightest = null;
        foreach (var rule in _rules)
        {
            if (!rule.Hard || !rule.CountsGenerated) continue;
            var left = rule.Tokens - UsedIn(rule.Window, conversation, at.Business).Of(rule.Kinds) - ReservedIn(rule, conversation, at.Confirmed);
            if (left < room) (room, tightest) = (left, rule);
        }
        return room;
    }

    private long ReservedIn(CapRule rule, Conversation conversation, DateTimeOffset confirmed) =>
        (!rule.CountsGenerated ? 0 : rule.Window == CapWindow.Conversation ? conversation.Held : _held) + InheritedAt(confirmed);

    /// <summary>The hard cap that leaves this generation nothing even if every other reservation were returned, or null.</summary>
    private CapRule? Exhausted(Generation generation, DateTimeOffset business)
    {
        foreach (var rule in _rules)
            if (rule.Hard && rule.CountsGenerated && UsedIn(rule.Window, generation.Conversation, business).Of(rule.Kinds) + generation.Held >= rule.Tokens)
                return rule;
        return null;
    }

    private void Hold(Generation generation, long tokens)
    {
        generation.Held += tokens;
        generation.Conversation.Held += tokens;
        _held += tokens;
    }

    /// <summary>Ends a reservation: U6 rests on nothing being held afterwards.</summary>
    private long Release(Generation generation)
    {
        var released = generation.Held;
        generation.Conversation.Held -= released;
        _held -= released;
        generation.Held = 0;
        return released;
    }

    private void Wait(Generation generation, long wanted)
    {
        generation.Wanted = wanted;
        if (generation.Waiting) return;
        generation.Waiting = true;
        _waiting.Add(generation);
    }

    private void Unwait(Generation generation)
    {
        if (!generation.Waiting) return;
        generation.Waiting = false;
        _waiting.Remove(generation);
    }
}
