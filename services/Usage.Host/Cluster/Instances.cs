using System.Net;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.Runtime.Hosting;
using Orleans.Runtime.Placement;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Host.Store;
using Usage.Metering;

namespace Usage.Host.Cluster;

/// <summary>The others did not hear of this instance for so long that they have taken over what it held.</summary>
public sealed class ExpelledException(string why) : Exception($"the other instances have gone on without this one: {why}");

/// <summary>
/// This instance among the others. Alone it is every shard's home and there is nothing to ask. In a cluster it runs an Orleans silo, in a
/// host of its own so that it can start when the database has answered, which the service's own start does not wait for.
/// </summary>
public sealed class Instances(IServiceProvider services, UsageStore store, IOptions<ClusterOptions> options, IOptions<UsageOptions> usage, ILoggerFactory logs) : IAsyncDisposable
{
    private const string Cluster = "usage";
    private readonly string _alone = $"single {Environment.MachineName} {Environment.ProcessId} {Guid.CreateVersion7(TimeProvider.System.GetUtcNow()):n}";
    private volatile Homes _homes = new(MembershipVersion.MinValue, []);
    private IHost? _silo;
    private IClusterMembershipService? _membership;

    public ILogger Log { get; } = logs.CreateLogger<Instances>();

    public bool IsClustered => options.Value.IsPostgres;

    /// <summary>This instance's name, which no other one has or had.</summary>
    public string Me { get; private set; } = "";

    private IGrainFactory Grains => _silo?.Services.GetRequiredService<IGrainFactory>() ?? throw OwnerMoved.AsException();

    /// <summary>The owner of a subscription at its home, as that is known now: asked again, it may be another.</summary>
    /// <exception cref="RefusedException">owner_moved: there is no other instance</exception>
    public ISubscriptionOwner OwnerOf(Guid subscription) =>
        Grains.GetGrain<ISubscriptionOwner>(subscription, HomeOf(Shards.Of(subscription, usage.Value.Shards)) ?? throw OwnerMoved.AsException());

    /// <exception cref="RefusedException">owner_moved: there is no other instance</exception>
    public IShardHolder HolderOf(int shard) => Grains.GetGrain<IShardHolder>(shard, HomeOf(shard) ?? throw OwnerMoved.AsException());

    public IStreamListener Listen(IStreamListener listener) => Grains.CreateObjectReference<IStreamListener>(listener);

    public void Forget(IStreamListener listener) => _silo?.Services.GetRequiredService<IGrainFactory>().DeleteObjectReference<IStreamListener>(listener);

    public bool IsHome(int shard) => !IsClustered || HomeOf(shard) == Me;

    private string? HomeOf(int shard)
    {
        if (_membership is not { } membership) return null;
        var snapshot = membership.CurrentSnapshot;
        // Racing callers compute the same twice; the pair is replaced as a whole.
        var homes = _homes;
        if (homes.Version != snapshot.Version)
            _homes = homes = new(snapshot.Version, ShardHomes.Of(usage.Value.Shards, [.. snapshot.Members.Values.Where(m => m.Status == SiloStatus.Active).Select(m => m.SiloAddress.ToParsableString())]));
        return homes.OfShards.Count > 0 ? homes.OfShards[shard] : null;
    }

    /// <summary>Whether that instance may still be there to leave what it holds in good order.</summary>
    public bool MayLive(string instance) =>
        _membership is { } membership && membership.CurrentSnapshot.Members.Values.Any(m => m.SiloAddress.ToParsableString() == instance && m.Status != SiloStatus.Dead);

    /// <summary>Asks the table who is there: what is known here has turned out to be old.</summary>
    public async Task RefreshAsync()
    {
        if (_membership is { } membership) await membership.Refresh();
    }

    /// <param name="leaving">called when the others know that this instance goes, and can still be heard</param>
    /// <param name="expelled">called when the others have gone on without this instance</param>
    /// <exception cref="OptionsValidationException">The address at which the others should reach it is none of this machine.</exception>
    public async Task JoinAsync(Func<Task> leaving, Action<string> expelled, CancellationToken ct)
    {
        if (!IsClustered)
        {
            Me = _alone;
            return;
        }
        _silo = await StartedAsync(leaving, expelled, ct);
        Me = _silo.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress.ToParsableString();
        _membership = _silo.Services.GetRequiredService<IClusterMembershipService>();
    }

    /// <summary>A silo does not wait for its table. One whose database went away while it joined is ended; for the others it is like one that was killed.</summary>
    private async Task<IHost> StartedAsync(Func<Task> leaving, Action<string> expelled, CancellationToken ct)
    {
        var reached = options.Value.Resolve();
        for (var backoff = Backoff.Start; ; backoff = backoff.Next)
        {
            var silo = Build(reached, leaving, expelled);
            try
            {
                await silo.StartAsync(ct);
                return silo;
            }
            catch (Exception e)
            {
                await EndAsync(silo);
                if (!StoreFailure.Is(e) || ct.IsCancellationRequested) throw;
                Log.LogWarning("could not join the other instances yet: {Cause}", StoreFailure.Cause(e));
            }
            await backoff.WaitAsync(ct);
        }
    }

    /// <summary>
    /// Ends a silo that did not start. Disposing of it is not enough, for Orleans stops only one that runs: this one's grain directory would ask
    /// for ever, and without a pause, for news that no longer come. Nor may it be stopped first: then Orleans waits for ever for the silo to say so.
    /// </summary>
    private static async Task EndAsync(IHost silo)
    {
        var lifecycle = silo.Services.GetRequiredService<ISiloLifecycleSubject>();
        await ((IAsyncDisposable)silo).DisposeAsync();
        await lifecycle.OnStop(new CancellationToken(canceled: true));
    }

    public Task LeaveAsync(CancellationToken ct) => _silo?.StopAsync(ct) ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_silo is IAsyncDisposable silo) await silo.DisposeAsync();
    }

    private IHost Build(IPEndPoint reached, Func<Task> leaving, Action<string> expelled)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton(logs);
        builder.UseOrleans(silo =>
        {
            silo.Configure<Orleans.Configuration.ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (Cluster, Cluster));
            silo.Configure<EndpointOptions>(o =>
            {
                (o.AdvertisedIPAddress, o.SiloPort, o.GatewayPort) = (reached.Address, reached.Port, 0);
            });
            silo.Configure<ClusterMembershipOptions>(o =>
            {
                o.ProbeTimeout = TimeSpan.FromSeconds(options.Value.ProbeSeconds);
                // A new instance must answer to all that are there; one that has not been heard of for two of these is not waited for.
                o.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
                o.NumMissedTableIAmAliveLimit = 2;
                o.TableRefreshTimeout = TimeSpan.FromSeconds(10);
                o.DefunctSiloExpiration = TimeSpan.FromDays(1);
            });
            silo.Services.AddSingleton<IMembershipTable>(new PostgresMembership(store, Cluster));
            silo.Services.AddPlacementDirector<ShardPlacement, ShardPlacementDirector>();
            silo.Services.AddGrainDirectory(HomeDirectory.Name, (_, _) => new HomeDirectory());
            // A silo that ends before it has joined has nothing to leave.
            silo.Services.AddSingleton<ILifecycleParticipant<ISiloLifecycle>>(new Leaving(() => _silo is null ? Task.CompletedTask : leaving()));
            silo.Services.AddSingleton<IFatalErrorHandler>(new Expelled(expelled));
            Share<LedgerWriters>(silo);
            Share<OwnerDirectory>(silo);
            Share<Intake>(silo);
            Share<UnaryCalls>(silo);
            Share<RemoteOutlets>(silo);
        });
        // Signals are the service's own to hear; it stops the silo in its turn.
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        return builder.Build();
    }

    private void Share<T>(ISiloBuilder silo) where T : class => silo.Services.AddSingleton(services.GetRequiredService<T>());

    private sealed record Homes(MembershipVersion Version, IReadOnlyList<string> OfShards);

    /// <summary>Between "the others know" and "nobody can be heard": there shards are handed over.</summary>
    private sealed class Leaving(Func<Task> leaving) : ILifecycleParticipant<ISiloLifecycle>
    {
        public void Participate(ISiloLifecycle lifecycle) =>
            lifecycle.Subscribe(nameof(Leaving), ServiceLifecycleStage.ApplicationServices, _ => Task.CompletedTask, _ => leaving());
    }

    /// <summary>Orleans would end the process on the spot; what is queued here is fenced by its epochs, so an end in good order is safe.</summary>
    private sealed class Expelled(Action<string> expelled) : IFatalErrorHandler
    {
        public bool IsUnexpected(Exception exception) => true;

        public void OnFatalException(object? sender, string? context, Exception? exception) => expelled(exception?.Message ?? context ?? "the cluster has gone on without this instance");
    }

    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
