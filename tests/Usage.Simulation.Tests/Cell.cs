using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>One subscription's owner in one process: the real thing, and what its host keeps beside it.</summary>
internal sealed class Cell(SubscriptionOwner owner)
{
    public SubscriptionOwner Owner => owner;
    public List<Outcome> Outcomes { get; } = [];
    public List<UsageRow> Uncommitted { get; } = [];
    /// <summary>Corrections that are committed, and that the owner has not been told.</summary>
    public List<UsageCorrection> Untold { get; } = [];
    /// <summary>Corrections under way: the thresholds that they pass are stored apart from rows.</summary>
    public int Announcing { get; set; }
    /// <summary>Thresholds that a correction has passed could not be stored: they go with the next row.</summary>
    public bool GaveBack { get; set; }
    /// <summary>That the owner was told of.</summary>
    public int Corrections { get; set; }
    public bool Loaded { get; set; }
    /// <summary>Billing is being asked about terms that its generations wait for.</summary>
    public bool AskingForTerms { get; set; }
    public int Pins { get; set; }
    public bool Evicted { get; set; }
    public DateTimeOffset LastTurn { get; set; }
    /// <summary>What was inherited, as an observer would see it: the whole slab until its lease ends.</summary>
    public StoredSlab? Inherited { get; set; }
}

/// <summary>What the tables know of a subscription, one of its conversations and one generation.</summary>
internal sealed class Loaded
{
    public SubscriptionTerms? Terms { get; init; }
    public List<(Guid Period, Tally Used)> Periods { get; } = [];
    public List<(OpenWindow Window, Tally Used)> Windows { get; } = [];
    public StoredSlab? Slab { get; set; }
    public Tally ConversationUsed { get; set; }
    public (GenerationHeader Header, RecordedGeneration Recorded)? Generation { get; set; }

    /// <summary>Statement by statement, each with what is committed by then, as the host's one batch of queries reads.</summary>
    public static async Task<Loaded> ReadAsync(World world, Hold reader, Guid subscription, string conversation, Guid generation)
    {
        var store = world.Store;
        var loaded = new Loaded { Terms = await store.ReadAsync(reader, () => store.Terms.GetValueOrDefault(subscription)) };
        foreach (var period in store.Periods.Where(p => p.Key.Subscription == subscription)) loaded.Periods.Add((period.Key.Period, period.Value.Tokens));
        await reader.Pause(world.Draw.Int(0, 3));
        foreach (var window in store.Windows.Where(w => w.Key.Subscription == subscription && w.Key.Window.ClosesAt > world.Now.Business))
            loaded.Windows.Add((window.Key.Window, window.Value));
        await reader.Pause(world.Draw.Int(0, 3));
        loaded.Slab = store.Slabs.GetValueOrDefault(subscription);
        await reader.Pause(world.Draw.Int(0, 3));
        loaded.ConversationUsed = store.Conversations.GetValueOrDefault((subscription, conversation));
        if (store.Generations.TryGetValue(generation, out var known)) loaded.Generation = known;
        await reader.Pause(world.Schedule.Delay());
        return loaded;
    }
}
