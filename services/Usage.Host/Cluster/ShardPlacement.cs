using Orleans.Placement;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace Usage.Host.Cluster;

/// <summary>An owner lives where its shard's ledger is written: owner, slab and rows are in one process, under one epoch.</summary>
[Serializable, GenerateSerializer, Immutable, SuppressReferenceTracking]
public sealed class ShardPlacement : PlacementStrategy
{
    public static ShardPlacement Singleton { get; } = new();

    /// <summary>The instance that a grain's key names.</summary>
    internal static string? HomeOf(GrainId grain) => grain.TryGetGuidKey(out _, out var home) || grain.TryGetIntegerKey(out _, out home) ? home : null;
}

[AttributeUsage(AttributeTargets.Class)]
public sealed class PlacedByShardAttribute() : PlacementAttribute(ShardPlacement.Singleton);

/// <summary>
/// The key names the instance, so that no answer of a directory can be out of date: who is asked next after a shard has moved is another
/// grain. A caller whose knowledge is old is told so by the instance that it asks. Asked only for an instance that is not known to be there.
/// </summary>
public sealed class ShardPlacementDirector : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var named = ShardPlacement.HomeOf(target.GrainIdentity);
        return context.GetCompatibleSilos(target).FirstOrDefault(silo => silo.ToParsableString() == named) is { } found
            ? Task.FromResult(found)
            : throw new SiloUnavailableException($"{named} is not there");
    }
}
