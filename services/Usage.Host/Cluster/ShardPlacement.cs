using Microsoft.Extensions.Options;
using Orleans.Metadata;
using Orleans.Placement;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Usage.Metering;

namespace Usage.Host.Cluster;

/// <summary>An owner lives where its shard's ledger is written: owner, slab and rows are in one process, under one epoch.</summary>
[Serializable, GenerateSerializer, Immutable, SuppressReferenceTracking]
public sealed class ShardPlacement : PlacementStrategy
{
    public static ShardPlacement Singleton { get; } = new();
}

[AttributeUsage(AttributeTargets.Class)]
public sealed class PlacedByShardAttribute() : PlacementAttribute(ShardPlacement.Singleton);

public sealed class ShardPlacementDirector(IOptions<UsageOptions> options) : IPlacementDirector
{
    public Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        var shards = options.Value.Shards;
        var shard = target.GrainIdentity.TryGetGuidKey(out var subscription, out _) ? Shards.Of(subscription, shards) : (int)target.GrainIdentity.GetIntegerKey();
        var silos = context.GetCompatibleSilos(target).ToDictionary(s => s.ToParsableString());
        return Task.FromResult(silos[ShardHomes.Of(shards, silos.Keys)[shard]]);
    }
}
