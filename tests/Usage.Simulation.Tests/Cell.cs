using Usage.Caps;
using Usage.Corrections;
using Usage.Metering;

namespace Usage.Simulation.Tests;

/// <summary>One subscription's owner in one process: the real thing, and what the observer must know of it.</summary>
internal sealed class Cell(SubscriptionOwner owner, long epoch) : OwnerInMemory(owner, epoch)
{
    public List<UsageRow> Uncommitted { get; } = [];
    /// <summary>Corrections that are committed, and that the owner has not been told.</summary>
    public List<UsageCorrection> Untold { get; } = [];
    /// <summary>Corrections under way: the thresholds that they pass are stored apart from rows.</summary>
    public int Announcing { get; set; }
    /// <summary>Thresholds that a correction has passed could not be stored: they go with the next row.</summary>
    public bool GaveBack { get; set; }
    /// <summary>What was inherited, as an observer would see it: the whole slab until its lease ends.</summary>
    public IReadOnlyList<InheritedSlab> Inherited { get; set; } = [];
}

/// <summary>Reads owners back from the tables.</summary>
internal static class Reading
{
    /// <summary>Statement by statement, each with what is committed by then, as the host's one batch of queries reads.</summary>
    public static async Task<Loaded> ReadAsync(World world, Hold reader, Guid subscription, string conversation, Guid generation)
    {
        var store = world.Store;
        var loaded = new Loaded { Terms = await store.ReadAsync(reader, () => store.Terms.GetValueOrDefault(subscription)) };
        foreach (var period in store.Periods.Where(p => p.Key.Subscription == subscription)) loaded.Periods.Add((period.Key.Period, period.Value.Tokens));
        await reader.Pause(world.Draw.Int(0, 3));
        foreach (var window in store.Windows.Where(w => w.Key.Subscription == subscription && w.Key.Window.ClosesAt > world.Now.Business))
            if (world.Mutation != Mutation.TurnedWindowsUnread || store.IsFirst(subscription, window.Key.Window)) loaded.Windows.Add((window.Key.Window, window.Value));
        await reader.Pause(world.Draw.Int(0, 3));
        if (store.Slabs.TryGetValue(subscription, out var slab) && world.Mutation != Mutation.SlabIgnored) loaded.Slab = (slab.Epoch, [.. slab.All]);
        await reader.Pause(world.Draw.Int(0, 3));
        loaded.ConversationUsed = store.Conversations.GetValueOrDefault((subscription, conversation));
        if (store.Generations.TryGetValue(generation, out var known)) loaded.Generation = known;
        await reader.Pause(world.Draw.Int(0, 3));
        foreach (var (id, (header, _)) in store.Generations)
            if (Ids.TimeOf(id) > world.Now.Business)
            {
                if (header.Subscription == subscription && world.Mutation != Mutation.AheadUnread) loaded.GenerationsAhead.Add(id);
            }
            else if (id > loaded.LastGeneration) loaded.LastGeneration = id;
        await reader.Pause(world.Schedule.Delay());
        return loaded;
    }
}
