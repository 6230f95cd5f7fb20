using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Billing.Accounts;
using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Operations;
using Billing.Periods;
using Billing.Sellers;
using Billing.Subscriptions;
using Billing.Webhooks;
using JasperFx.Events.Projections;
using Marten;
using Marten.Services;
using Npgsql;
using Weasel.Postgresql.Tables;
using SessionOptions = Marten.Services.SessionOptions;

namespace Billing.Host;

/// <summary>What the schema billing holds beside the events. A test that opens its own store configures it by this.</summary>
public static class BillingStore
{
    public const string Schema = "billing";

    /// <summary>Raised by one whenever what <see cref="Configure"/> makes of the schema changes, and only added to: a test pins it.</summary>
    public const int SchemaVersion = 1;

    /// <summary>Where the daemon is behind, the events of several reports to a period make one document of its view. In Marten's own page of 500 each period has one.</summary>
    private const int PeriodEventsAtOnce = 5_000;

    /// <summary>The names under which the daemon keeps how far it is: of events as a whole, of each view that follows them and of each publisher.</summary>
    internal static readonly string[] DaemonProgress = ["HighWaterMark", "PeriodView:All", $"{SubscriptionPublisher.ShardName}:All", $"{InvoicePublisher.ShardName}:All", $"{WebhookAnnouncer.ShardName}:All"];

    /// <summary>Likewise for the sealer.</summary>
    internal const string SealerProgress = EventSealer.ShardName + ":All";

    /// <summary>Reads events as the store writes them, but takes no null and no default in the place of what must be there: a fold would take it for a fact.</summary>
    public static ISerializer EventReader(ISerializer stores) => new SystemTextJsonSerializer(
        new JsonSerializerOptions { RespectNullableAnnotations = true, TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { RequireWhatIsNeverNull } } })
    {
        EnumStorage = stores.EnumStorage, Casing = stores.Casing,
    };

    // What may be null is absent where it says nothing, and what has a default was added to the event later.
    private static void RequireWhatIsNeverNull(JsonTypeInfo type)
    {
        foreach (var property in type.Properties)
            if (property.AssociatedParameter is { HasDefaultValue: false, IsNullable: false }) property.IsRequired = true;
    }

    public static void Configure(StoreOptions options)
    {
        foreach (var root in new[] { typeof(CustomerEvent), typeof(MenuEvent), typeof(SubscriptionEvent), typeof(PeriodEvent), typeof(InvoiceEvent), typeof(AccountEvent), typeof(SellerEvent), typeof(OperationEvent), typeof(WebhookEvent) })
            options.Events.AddEventTypes(root.Assembly.GetTypes().Where(t => t.IsSubclassOf(root)));
        options.Events.Upcast<InvoiceVoided, InvoiceVoided>(InvoiceUpcasts.Attributed);
        options.Events.Upcast<CreditNoteIssued, CreditNoteIssued>(InvoiceUpcasts.Attributed);

        options.Projections.Add(new CustomerViewProjection(), ProjectionLifecycle.Inline);
        options.Projections.Add(new SubscriptionViewProjection(), ProjectionLifecycle.Inline);
        options.Projections.Add(new PeriodWork(), ProjectionLifecycle.Inline);
        options.Projections.Add(new InvoiceStandingProjection(), ProjectionLifecycle.Inline);
        options.Projections.Add(new WebhookEndpointViewProjection(), ProjectionLifecycle.Inline);
        options.Projections.Add(new PeriodViewProjection(), ProjectionLifecycle.Async, follower => follower.BatchSize = PeriodEventsAtOnce);

        options.Schema.For<SubscriptionView>().Index(x => x.CustomerId).Index(x => x.NextDueAt!);
        options.Schema.For<CustomerView>();
        options.Schema.For<PeriodToClose>().Index(x => x.End).Index(x => x.SubscriptionId);
        options.Schema.For<PeriodToInvoice>();
        options.Schema.For<LateMark>().Index(x => x.SubscriptionId);
        options.Schema.For<PeriodView>().Index(x => x.SubscriptionId).Index(x => x.InvoiceId);
        options.Schema.For<StoredInvoice>().Index(x => x.SubscriptionId).UniqueIndex(x => x.Number).UniqueIndex(x => x.PeriodId);
        options.Schema.For<StoredCreditNote>().Index(x => x.InvoiceId).UniqueIndex(x => x.Number);
        options.Schema.For<InvoiceStandingView>().Index(x => x.CustomerId).Index(x => new { x.Status, x.DueAt }).Index(x => x.DunningDueAt!);
        options.Schema.For<ProviderReference>();
        options.Schema.For<WebhookEndpointView>();
        options.Schema.For<AppliedReport>().Index(x => new { x.Shard, x.Number });
        options.Schema.For<ParkedMessage>();

        options.Storage.ExtendedSchemaObjects.Add(NumberSeries());
        options.Storage.ExtendedSchemaObjects.Add(UsageShard());
        options.Storage.ExtendedSchemaObjects.Add(Seal());
        options.Storage.ExtendedSchemaObjects.Add(PersonalDetails());
        options.Storage.ExtendedSchemaObjects.Add(new ClosedToAuditors("personal_details"));
        options.Storage.ExtendedSchemaObjects.AddRange(WebhookTables.All);
    }

    /// <summary>The store for work that no service may run beside, with its schema brought up to date.</summary>
    /// <param name="connectionString">of the role that owns the schema</param>
    public static Task<DocumentStore> OpenAsync(string connectionString) => EventStore.OpenAsync(Schema, SchemaVersion, connectionString, Configure);

    /// <summary>What usage hears of: snapshots of subscriptions. News of invoices went to whoever listened, and do not go out again.</summary>
    public static readonly IReadOnlyList<string> Publishers = [SubscriptionPublisher.ShardName];

    /// <summary>Every subscription is told to usage again when the service is started next.</summary>
    /// <param name="connectionString">of the role that owns the schema; no instance may run on it</param>
    /// <param name="by">who ordered it, and why</param>
    /// <exception cref="RefusedException">actor_missing, service_running; nothing is changed then</exception>
    public static async Task PublishAgainAsync(string connectionString, Attribution by)
    {
        OfflineOperations.Demand(by);
        await using var store = await OpenAsync(connectionString);
        await PublishAgain.RunAsync(Schema, connectionString, Publishers, async (transaction, ct) =>
        {
            await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
            await OfflineOperations.Keep(session, transaction.Connection!, new PublishingRestarted([.. Publishers], OfflineOperations.Now), by, ct);
        });
    }

    /// <summary>The same by what the environment says.</summary>
    /// <returns>the exit code</returns>
    public static Task<int> PublishAgainAsync()
    {
        var options = new ConfigurationBuilder().AddEnvironmentVariables().Build().GetSection(BillingOptions.Section).Get<BillingOptions>() ?? new();
        return PublishAgain.MainAsync(Schema, Publishers, () => PublishAgainAsync(options.Postgres, OfflineOperations.FromEnvironment()));
    }

    /// <summary>Until the end of the transaction no daemon can be elected, and nobody writes an event.</summary>
    /// <exception cref="RefusedException">billing_running</exception>
    public static async Task TakeAlone(NpgsqlConnection connection, CancellationToken ct)
    {
        if (!await ElectedDaemon.TryKeepOutAsync(connection, Schema, ct))
            throw new Refusal("billing_running", "a billing service runs on this database: stop every instance first").AsException();
        await using var shut = new NpgsqlCommand("lock table billing.mt_events in exclusive mode", connection);
        await shut.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Who customers are: the only place. Every version, because a document names the one it was made for; all are deleted when a customer is erased.</summary>
    private static Table PersonalDetails()
    {
        var table = new Table($"{Schema}.personal_details");
        table.AddColumn<string>("customer_id").AsPrimaryKey();
        table.AddColumn<string>("details_sha256").AsPrimaryKey();
        table.AddColumn("salt", "bytea").NotNull();
        table.AddColumn<string>("details").NotNull();
        return table;
    }

    /// <summary>The count of each series of invoices and of credit notes. The row is locked until the documents that took numbers are committed: no gap, no double.</summary>
    private static Table NumberSeries()
    {
        var table = new Table($"{Schema}.number_series");
        table.AddColumn<string>("series").AsPrimaryKey();
        table.AddColumn<long>("last_number").NotNull();
        return table;
    }

    /// <summary>How far each shard of usage is applied. The row is locked while one of its reports is applied.</summary>
    private static Table UsageShard()
    {
        var table = new Table($"{Schema}.usage_shard");
        table.AddColumn<int>("shard").AsPrimaryKey();
        table.AddColumn<long>("through_number").NotNull();
        table.AddColumn<long>("highest_number").NotNull();
        table.AddColumn<string>("stopped");
        return table;
    }

    private static Table Seal()
    {
        var table = new Table($"{Schema}.seal");
        table.AddColumn<long>("page").AsPrimaryKey();
        table.AddColumn<long>("from_sequence").NotNull();
        table.AddColumn<long>("to_sequence").NotNull();
        table.AddColumn("sequences", "bigint[]").NotNull();
        table.AddColumn("leaves", "bytea").NotNull();
        table.AddColumn("root", "bytea").NotNull();
        table.AddColumn("previous_chain", "bytea").NotNull();
        table.AddColumn("chain", "bytea").NotNull();
        return table;
    }
}
