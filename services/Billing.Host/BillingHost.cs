using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Marten;
using MassTransit;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Billing.Host;

/// <summary>The billing service.</summary>
public static class BillingHost
{
    /// <summary>A batch of usage with all of its rows.</summary>
    private const int UsageAnswerBytesMax = 64 << 20;

    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = ServiceDefaults.CreateBuilder("billing", args, StatusOf, configure);
        builder.AddValidatedOptions<BillingOptions>(BillingOptions.Section);
        builder.AddValidatedOptions<WebhookOptions>(WebhookOptions.Section);
        var options = builder.ReadOr(BillingOptions.Section, new BillingOptions());

        builder.AddEventStore(BillingStore.Schema, BillingStore.SchemaVersion, options.Postgres, BillingStore.Configure)
            .AddSubscriptionWithServices<SubscriptionPublisher>(ServiceLifetime.Singleton)
            .AddSubscriptionWithServices<InvoicePublisher>(ServiceLifetime.Singleton)
            .AddSubscriptionWithServices<WebhookAnnouncer>(ServiceLifetime.Singleton)
            .AddSubscriptionWithServices<EventSealer>(ServiceLifetime.Singleton);
        builder.AddBus(
            bus =>
            {
                bus.AddConsumer<MenuPublishedConsumer>();
                bus.AddConsumer<MenuRetiredConsumer>();
                bus.AddConsumer<UsageRecordedConsumer>();
            },
            (context, rabbit) =>
            {
                rabbit.DurableEndpoint(context, MenuPublishedConsumer.Queue, queue =>
                {
                    Park(context, MenuPublishedConsumer.Queue, queue);
                    queue.ConfigureConsumer<MenuPublishedConsumer>(context);
                });
                rabbit.DurableEndpoint(context, MenuRetiredConsumer.Queue, queue =>
                {
                    Park(context, MenuRetiredConsumer.Queue, queue);
                    queue.ConfigureConsumer<MenuRetiredConsumer>(context);
                });
                rabbit.DurableEndpoint(context, UsageRecordedConsumer.Queue, queue =>
                {
                    Park(context, UsageRecordedConsumer.Queue, queue);
                    queue.PrefetchCount = 64;
                    queue.ConcurrentMessageLimit = 8;
                    queue.ConfigureConsumer<UsageRecordedConsumer>(context);
                });
            });

        builder.AddAccess(BillingAccess.Methods, BillingStore.Schema, services => services.GetRequiredService<NpgsqlDataSource>());
        builder.Services.AddSingleton<ClockNotAhead>();
        builder.Services.AddSingleton<StorableText>();
        builder.Services.AddSingleton<AttributionDemanded>();
        builder.Services.AddGrpc(grpc =>
        {
            grpc.Interceptors.Add<StorableText>();
            grpc.Interceptors.Add<AttributionDemanded>();
            grpc.Interceptors.Add<ClockNotAhead>();
        });
        builder.Services.AddSingleton<ICustomerBoundary, CustomersOwn>();
        builder.Services.AddSingleton<KeyOrders>();
        builder.Services.AddSingleton<KeyOrdered>(services => services.GetRequiredService<KeyOrders>().Keep);
        builder.Services.AddSingleton(services => services.GetRequiredService<IOptions<OutgoingOptions>>().Value.Open(services.GetRequiredService<IOptions<BillingOptions>>().Value.UsageAddress, UsageAnswerBytesMax));
        builder.Services.AddSingleton(services => new UsageLedger.UsageLedgerClient(services.GetRequiredService<GrpcChannel>()));
        builder.Services.AddSingleton(_ => new AuditDatabase(options.AuditPostgres ?? options.Postgres));
        builder.Services.AddSingleton<BillingMetrics>();
        builder.Services.AddSingleton<MenuBook>();
        builder.Services.AddSingleton<MenuReception>();
        builder.Services.AddSingleton<ParkedMessages>();
        builder.Services.AddSingleton<UsageReports>();
        builder.Services.AddSingleton<GapFetcher>();
        builder.Services.AddSingleton<SubscriptionStreams>();
        builder.Services.AddSingleton<CustomerErasing>();
        builder.Services.AddSingleton<PersonalDetails>();
        builder.Services.AddSingleton<DueItems>();
        builder.Services.AddSingleton<SubscriptionsDue>();
        builder.Services.AddSingleton<PeriodClosing>();
        builder.Services.AddSingleton<InvoiceFinalizing>();
        builder.Services.AddSingleton<InvoiceVoiding>();
        builder.Services.AddSingleton<CreditNotes>();
        builder.Services.AddSingleton<Numbering>();
        builder.Services.AddSingleton<PrintedDocuments>();
        builder.Services.AddSingleton<PeriodCloser>();
        builder.Services.AddSingleton<IDueWork>(services => services.GetRequiredService<PeriodCloser>());
        builder.Services.AddSingleton<IDueWork, OverdueInvoices>();
        builder.Services.AddSingleton<IDueWork, DunningDue>();
        builder.Services.AddHostedService(services => services.GetRequiredService<GapFetcher>());
        builder.Services.AddSingleton<DatabaseTime>();
        builder.Services.AddHostedService<DueWorkLoop>();
        builder.Services.AddHostedService<Backlog>();
        builder.Services.AddSingleton<WebhookMetrics>();
        builder.Services.AddSingleton<WebhookSecrets>();
        builder.Services.AddSingleton<WebhookQueue>();
        builder.Services.AddSingleton<WebhookLists>();
        builder.Services.AddSingleton<WebhookContents>();
        builder.Services.AddSingleton<WebhookClient>();
        builder.Services.AddHostedService<WebhookSender>();

        var app = builder.Build();
        app.MapServiceDefaults();
        app.MapGrpcService<BillingService>();
        app.MapGrpcService<AuditService>();
        app.MapGrpcService<LedgerService>();
        app.MapGrpcService<StatementsService>();
        app.MapGrpcService<InvoicingService>();
        app.MapGrpcService<AgreementsService>();
        app.MapGrpcService<OperationsService>();
        app.MapGrpcService<WebhooksService>();
        return app;
    }

    private static void Park(IRegistrationContext context, string name, IReceiveEndpointConfigurator queue)
    {
        queue.ConfigureError(faults => faults.UseFilter(new ParkFaults(name, context)));
        queue.ConfigureDeadLetter(skipped => skipped.UseFilter(new ParkUnknown(name, context)));
    }

    private static StatusCode StatusOf(string code) => code switch
    {
        "customer_unknown" or "subscription_unknown" or "invoice_unknown" or "credit_note_unknown" or "agreement_unknown" or "not_known_then" or "parked_unknown" or "shard_unknown" or "report_not_applied"
            or "webhook_unknown" or "webhook_event_unknown" => StatusCode.NotFound,
        "customer_exists" or "subscription_exists" or "credit_note_exists" or "commitment_exists" or "discount_exists" or "grant_exists" or "payment_reference_reused" or "webhook_exists" => StatusCode.AlreadyExists,
        "currency_unknown" or "reference_too_long" or "amount_invalid" or "reason_missing" or "reference_missing" or "name_invalid" or "discount_invalid" or "kinds_invalid"
            or "time_span_invalid" or "jurisdiction_invalid" or "product_unknown" or "note_too_long" or "note_missing" or "seller_incomplete" or "seller_too_long"
            or "payment_terms_invalid" or "dunning_schedule_invalid" or "reason_too_long" or "actor_missing" or "attribution_too_long" or "ledger_account_unknown"
            or "webhook_url_invalid" or "webhook_type_unknown" or "description_too_long" or "replay_span_invalid"
            or "language_unknown" or "details_too_long" or "details_incomplete" or "country_invalid" or "time_zone_unknown" or "anchor_out_of_range" or "trial_out_of_range" or "paid_until_invalid" or "resume_before_pause" or "last_number_invalid" or "series_unknown" => StatusCode.InvalidArgument,
        "usage_unreachable" => StatusCode.Unavailable,
        IdempotentCalls.Reused => StatusCode.AlreadyExists,
        _ => StatusCode.FailedPrecondition,
    };
}
