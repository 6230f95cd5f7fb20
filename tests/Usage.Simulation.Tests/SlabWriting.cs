using Usage.Caps;

namespace Usage.Simulation.Tests;

/// <param name="Tokens">what its owner may have out</param>
/// <param name="Inherited">what owners before it may have out still</param>
internal sealed record SlabAsked(Cell Cell, long Tokens, DateTimeOffset Until, IReadOnlyList<InheritedSlab> Inherited);

/// <summary>Makes slabs durable in groups, as in the host. Tries until it succeeds, or until the shard is lost.</summary>
internal sealed class SlabWriting(World world, Hold hold)
{
    private const int BackoffMaxMs = 2_000, RemaindersTriesMax = 3;
    private readonly List<SlabAsked> _asked = [];
    private bool _writing;

    public void Add(SlabAsked asked)
    {
        _asked.Add(asked);
        if (world.Mutation == Mutation.SlabNotDurable) hold.After(1, () => hold.SlabDurable(asked));
        if (_writing) return;
        _writing = true;
        hold.Run(WriteAsync);
    }

    /// <summary>Cuts each slab down to what is out. If that fails, slabs end with their leases.</summary>
    public async Task LeaveRemaindersAsync()
    {
        var remainders = new List<SlabAsked>();
        foreach (var cell in hold.Cells)
        {
            var left = cell.Remainder(world.Now.Real);
            if (world.Mutation == Mutation.UnloadedLeavesSlab && left is null) left = (0, world.Now.Real, []);
            if (left is not { } remainder) continue;
            remainders.Add(new SlabAsked(cell, remainder.Tokens, remainder.Until, remainder.Inherited));
            if (world.Schedule.IsTold) world.Tell($"{hold} leaves a slab of {remainder.Tokens} behind");
        }
        for (var tries = 0; tries < RemaindersTriesMax; tries++)
        {
            try
            {
                await TryWriteAsync(remainders);
                return;
            }
            catch (StoreLostException)
            {
                await hold.Pause(100);
            }
        }
    }

    private async Task WriteAsync()
    {
        await hold.Pause(0);
        while (_asked.Count > 0)
        {
            List<SlabAsked> group = [.. _asked];
            _asked.Clear();
            for (var backoff = 50; ; backoff = Math.Min(2 * backoff, BackoffMaxMs))
            {
                try
                {
                    if (await TryWriteAsync(group)) break;
                    world.Lost(hold);
                    return;
                }
                catch (StoreLostException)
                {
                    await hold.Pause(backoff);
                }
            }
            if (world.Mutation == Mutation.SlabNotDurable) continue;
            foreach (var asked in group) hold.SlabDurable(asked);
        }
        _writing = false;
    }

    private async Task<bool> TryWriteAsync(List<SlabAsked> group)
    {
        var store = world.Store;
        var transaction = store.Begin(hold);
        await transaction.LockAsync(store.Shards[hold.Shard].Locks, LockMode.KeyShare);
        if (store.Shards[hold.Shard].Epoch != hold.Epoch)
        {
            transaction.RollBack();
            return false;
        }
        await transaction.LockAsync(store.Shards[hold.Shard].SlabLocks, LockMode.Update);
        foreach (var asked in group)
            transaction.Write(() => store.Slabs[asked.Cell.Owner.Subscription] = new StoredSlab(hold.Epoch, asked.Tokens, asked.Until, asked.Inherited));
        await transaction.CommitAsync();
        return true;
    }
}
