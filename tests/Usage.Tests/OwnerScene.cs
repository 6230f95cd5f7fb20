using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Tests;

/// <summary>One owner with its slab made durable at once, for tests that tell a story step by step.</summary>
public sealed class OwnerScene
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset Feb1 = new(2026, 2, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset Mar1 = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset Apr1 = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly Guid Subscription = Ids.DeriveGuid(Jan1, "subscription");
    public static readonly Guid Plan = Ids.DeriveGuid(Jan1, "plan");
    public static readonly MeterLimits Limits = new(ChunkTokens: 256, GrantTokensMax: 65_536, Lease: TimeSpan.FromSeconds(60), GenerationsMax: 100) { AnnounceConversations = true };

    public static readonly TermPeriod January = new(Ids.DeriveGuid(Jan1, "period"), 0, Jan1, Feb1);
    public static readonly TermPeriod February = new(Ids.DeriveGuid(Feb1, "period"), 1, Feb1, Mar1);
    public static readonly TermPeriod March = new(Ids.DeriveGuid(Mar1, "period"), 2, Mar1, Apr1);

    private readonly bool _slabAtOnce;

    public OwnerScene(params Cap[] caps) : this(true, caps) { }

    public OwnerScene(bool slabAtOnce, params Cap[] caps)
    {
        _slabAtOnce = slabAtOnce;
        Owner = new SubscriptionOwner(Subscription, Limits);
        Owner.ChangeTerms(Terms(1, caps), Now, []);
    }

    public SubscriptionOwner Owner { get; }
    public Moment Now { get; private set; } = new(Jan1, Jan1);
    public List<UsageRow> Rows { get; } = [];
    public Outcome? Slab { get; private set; }

    public static SubscriptionTerms Terms(long version, params Cap[] caps) => new(Subscription, version, true, Plan, caps, [], January, February);

    public void After(TimeSpan time) => Now = new Moment(Now.Real + time, Now.Business + time);
    public void BusinessTime(DateTimeOffset at) => Now = Now with { Business = at };

    public static GenerationHeader Header(string name, string conversation = "c", long input = 0, long maxOutput = 0, CountMode mode = CountMode.Cumulative) =>
        new(Ids.DeriveGuid(Jan1, name), Subscription, conversation, "model", new Tally(input, 0, 0, 0, 0), maxOutput, mode);

    public List<Outcome> Start(string name, string conversation = "c", long input = 0, long maxOutput = 0, long wanted = 0, CountMode mode = CountMode.Cumulative) =>
        Turn(outcomes => Owner.Start(Header(name, conversation, input, maxOutput, mode), wanted, Now, outcomes));

    public List<Outcome> Chunk(string name, long sequence, long output, long reasoning = 0, long wanted = 0, long input = 0) =>
        Turn(outcomes => Owner.Count(Of(name), new Frame(sequence, new Tally(input, 0, 0, output, reasoning), true, null, FinishReason.None), wanted, Now, outcomes));

    public List<Outcome> Finish(string name, long sequence, FinishReason reason = FinishReason.Stop, Tally? totals = null) =>
        Turn(outcomes => Owner.Count(Of(name), new Frame(sequence, totals ?? Tally.Zero, totals is not null, null, reason), 0, Now, outcomes));

    public List<Outcome> Renew(string name, long wanted = 0) => Turn(outcomes => Owner.Renew(Of(name), wanted, Now, outcomes));
    public List<Outcome> Expire() => Turn(outcomes => Owner.Expire(Now, outcomes));
    public List<Outcome> Change(SubscriptionTerms terms) => Turn(outcomes => Owner.ChangeTerms(terms, Now, outcomes));

    public List<Outcome> Correct(long output) => Turn(outcomes => Owner.Correct(new UsageCorrection(
        Ids.DeriveGuid(Jan1, "correction"), Subscription, January.Id, January.End, Plan, null, "", "", new Tally(0, 0, 0, output, 0), 0, false, "ada", "a test", Jan1, []), Now, outcomes));

    public Generation Of(string name) => Owner.Find(Ids.DeriveGuid(Jan1, name))!;

    public (long Used, long Reserved) In(CapWindow window, string conversation = "c")
    {
        var line = Owner.Balance(conversation, Now).Single(l => l.Rule.Window == window);
        return (line.UsedTokens, line.ReservedTokens);
    }

    public List<Outcome> Turn(Action<List<Outcome>> decide)
    {
        var outcomes = new List<Outcome>();
        decide(outcomes);
        for (var i = 0; i < outcomes.Count; i++)
        {
            var outcome = outcomes[i];
            if (outcome.Row is { } row) Rows.Add(row);
            if (outcome.Kind != OutcomeKind.SlabNeeded) continue;
            Slab = outcome;
            if (_slabAtOnce) Owner.SlabDurable(outcome.Number, outcome.When!.Value, Now, outcomes);
        }
        outcomes.RemoveAll(o => o.Kind is OutcomeKind.SlabNeeded or OutcomeKind.Recorded);
        return outcomes;
    }

    /// <summary>Commits every row decided so far.</summary>
    public void Commit()
    {
        foreach (var row in Rows.Where(r => r.Sequence > r.Generation.DurableSequence)) Owner.Durable(row);
    }
}
