using Contracts.Billing.V1;
using Grpc.Core;
using Grpc.Net.Client;
using MassTransit;
using MassTransit.Middleware;
using Microsoft.Extensions.Options;
using Usage.Host.Access;
using Usage.Host.Cluster;
using Usage.Host.Imports;
using Usage.Host.Ledger;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host;

/// <summary>The usage service: grants tokens up to the caps, records what is used exactly once, and reports it.</summary>
public static class UsageHost
{
    /// <summary>How long the bus, when it stops, waits for a message that is being taken.</summary>
    private static readonly TimeSpan InHandMax = TimeSpan.FromSeconds(1);

    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = ServiceDefaults.CreateBuilder("usage", args, StatusOf, configure);
        builder.AddValidatedOptions<UsageOptions>(UsageOptions.Section);
        builder.Services.AddOptions<UsageOptions>().Validate(o => o.ReportIntervalMs >= UsageOptions.ReportIntervalMsLeast || !builder.Environment.IsProduction(),
            $"Usage__ReportIntervalMs must be at least {UsageOptions.ReportIntervalMsLeast} milliseconds in Production: billing takes two reports a second of a shard");
        builder.AddValidatedOptions<ClusterOptions>(ClusterOptions.Section);
        var options = builder.ReadOr(UsageOptions.Section, new UsageOptions());
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxConcurrentConnections = Math.Max(options.ConnectionsMax, 1));
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = options.MessageBytesMax)
            .AddServiceOptions<TokenMeterService>(grpc => grpc.Interceptors.Add<CallBounds>())
            .AddServiceOptions<UsageLedgerService>(grpc => grpc.Interceptors.Add<CallBounds>())
            .AddServiceOptions<UsageCorrectionsService>(grpc => grpc.Interceptors.Add<CallBounds>());
        builder.Services.AddSingleton<CallBounds>();
        builder.Services.AddSingleton<CallerBounds>();
        builder.AddAccess(UsageAccess.Methods, "usage", services => services.GetRequiredService<UsageStore>().DataSource);
        builder.Services.AddSingleton<CustomerReader>();
        builder.Services.AddSingleton<ICustomerBoundary, CustomersUsage>();
        builder.Services.AddSingleton(services => services.GetRequiredService<IOptions<OutgoingOptions>>().Value.Open(services.GetRequiredService<IOptions<UsageOptions>>().Value.BillingAddress));
        builder.Services.AddSingleton(services => new Billing.BillingClient(services.GetRequiredService<GrpcChannel>()));

        builder.Services.AddSingleton<UsageStore>();
        builder.Services.AddSingleton<QueryConnections>();
        builder.Services.AddSingleton<UsageMetrics>();
        builder.Services.AddSingleton<Housekeeping>();
        builder.Services.AddSingleton<Instances>();
        builder.Services.AddSingleton<ShardHolders>();
        builder.Services.AddSingleton<ShardKeeper>();
        builder.Services.AddSingleton<Partitions>();
        builder.Services.AddSingleton<LedgerWriters>();
        builder.Services.AddSingleton<OwnerLoader>();
        builder.Services.AddSingleton<SlabWriter>();
        builder.Services.AddSingleton<RepeatReader>();
        builder.Services.AddSingleton<TermsSource>();
        builder.Services.AddSingleton<Announcements>();
        builder.Services.AddSingleton<OwnerDirectory>();
        builder.Services.AddSingleton<Intake>();
        builder.Services.AddSingleton<CorrectionDesk>();
        builder.Services.AddSingleton<EventReader>();
        builder.Services.AddSingleton<ProofReader>();
        builder.Services.AddSingleton<AggregateReader>();
        builder.Services.AddSingleton<BalanceWatch>();
        builder.Services.AddSingleton<UnaryCalls>();
        builder.Services.AddSingleton<OwnerRoutes>();
        builder.Services.AddSingleton<RemoteOutlets>();
        builder.Services.AddSingleton<ImportedEvents>();
        builder.Services.AddSingleton<SubscriptionLookup>();
        builder.Services.AddSingleton<EventImport>();
        builder.Services.AddSingleton<EventsEndpoint>();
        builder.Services.AddSingleton<ServingGate>();
        builder.Services.AddSingleton<UsagePublisher>();
        builder.Services.AddSingleton<SnapshotFaults>();
        builder.AddBus(
            bus => bus.AddConsumer<SubscriptionChangedConsumer>(),
            (context, rabbit) => rabbit.DurableEndpoint(context, SubscriptionChangedConsumer.Queue, queue =>
            {
                queue.ConfigureError(faults =>
                {
                    faults.UseFilter(context.GetRequiredService<SnapshotFaults>());
                    faults.UseFilter(new ErrorTransportFilter());
                });
                queue.ConfigureConsumer<SubscriptionChangedConsumer>(context);
            }));
        // All else has ended by then: what is still in hand waits for the database, and goes back to its queue.
        builder.Services.Configure<MassTransitHostOptions>(bus => bus.ConsumerStopTimeout = InHandMax);
        // After the bus, so that it stops before the bus does: the last reports still go out.
        builder.Services.AddHostedService<UsageLifetime>();

        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapGrpcService<TokenMeterService>();
        app.MapGrpcService<UsageLedgerService>();
        app.MapGrpcService<UsageCorrectionsService>();
        app.MapPost(EventsEndpoint.Path, (EventsEndpoint events, HttpContext context) => events.PostAsync(context)).WithMetadata(new NeedsScope(Scope.Runtime));
        return app;
    }

    /// <summary>The one switch from reasons to statuses. Most reasons travel inside frames; these end a call.</summary>
    private static StatusCode StatusOf(string reason) => reason switch
    {
        Reasons.FrameInvalid or Reasons.CountsNegative or Reasons.CountsDecreasing or Reasons.CountsAbsurd or Reasons.CountsOfWrongKind => StatusCode.InvalidArgument,
        Reasons.GenerationUnknown or Reasons.SubscriptionUnknown or Reasons.BatchUnknown or Reasons.EventUnknown or Reasons.UsageUnknown => StatusCode.NotFound,
        Reasons.SequenceReused or Reasons.GenerationReused => StatusCode.AlreadyExists,
        Reasons.ReportUnknown => StatusCode.OutOfRange,
        Reasons.FramesTooMany or Reasons.ReaderTooSlow or Reasons.GenerationsTooMany or Reasons.RateLimited or Reasons.StreamsTooMany or Reasons.WatchersTooMany
            or Reasons.CallsTooMany or Reasons.LookupsTooMany or Reasons.QueryTooLarge => StatusCode.ResourceExhausted,
        Reasons.Draining or Reasons.OwnerMoved or Reasons.StoreUnavailable or Reasons.StreamIdle => StatusCode.Unavailable,
        _ => StatusCode.FailedPrecondition,
    };
}
