using Orleans.GrainDirectory;
using Orleans.Runtime;

namespace Usage.Host.Cluster;

/// <summary>
/// Where a grain is: in the instance that its key names. So nothing is kept, and nobody is asked. Orleans's own directory keeps each grain at some instance, chosen
/// by the grain's name; while that one is gone, two others that live do not find each other's owners.
/// </summary>
public sealed class HomeDirectory : IGrainDirectory
{
    public const string Name = "homes";

    /// <returns>null of a grain without such a key, which then is placed</returns>
    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult(ShardPlacement.HomeOf(grainId) is { } home ? new GrainAddress { GrainId = grainId, SiloAddress = SiloAddress.FromParsableString(home) } : null);

    public Task<GrainAddress?> Register(GrainAddress address) => Task.FromResult<GrainAddress?>(address);

    public Task Unregister(GrainAddress address) => Task.CompletedTask;

    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
