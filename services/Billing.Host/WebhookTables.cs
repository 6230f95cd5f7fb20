using Weasel.Core;
using Weasel.Postgresql.Tables;

namespace Billing.Host;

/// <summary>What the schema billing holds of webhooks beside their events.</summary>
internal static class WebhookTables
{
    internal const string SecretsName = "webhook_secret";

    internal static IEnumerable<ISchemaObject> All => [Deliveries(), Attempts(), Standings(), Imported(), Secrets(), new ClosedToAuditors(SecretsName)];

    /// <summary>What each endpoint is told: a row for an endpoint and an event, put there in the order of the log, and never twice.</summary>
    private static Table Deliveries()
    {
        var table = new Table($"{BillingStore.Schema}.webhook_delivery");
        table.AddColumn<string>("endpoint_id").AsPrimaryKey();
        table.AddColumn<long>("sequence").AsPrimaryKey();
        table.AddColumn<string>("stream_id").NotNull();
        table.AddColumn<string>("type").NotNull();
        // pending, delivered or failed
        table.AddColumn<string>("status").NotNull();
        // In all, and of the schedule that a replay begins anew.
        table.AddColumn<int>("attempts").NotNull();
        table.AddColumn<int>("step").NotNull();
        // Business time: of the next attempt while it is pending, else of the last one.
        table.AddColumn<DateTimeOffset>("due_at").NotNull();
        // Who sends it, and until when nobody else does, by the database's clock.
        table.AddColumn<string>("claimed_by");
        table.AddColumn<DateTimeOffset>("claimed_until");
        table.Indexes.Add(new IndexDefinition("webhook_delivery_due") { Columns = ["endpoint_id", "due_at"], Predicate = "(status = 'pending'::text)" });
        table.Indexes.Add(new IndexDefinition("webhook_delivery_object") { Columns = ["endpoint_id", "stream_id", "sequence"], Predicate = "(status = 'pending'::text)" });
        return table;
    }

    private static Table Attempts()
    {
        var table = new Table($"{BillingStore.Schema}.webhook_attempt");
        table.AddColumn<string>("endpoint_id").AsPrimaryKey();
        table.AddColumn<long>("sequence").AsPrimaryKey();
        table.AddColumn<int>("number").AsPrimaryKey();
        table.AddColumn<DateTimeOffset>("at").NotNull();
        table.AddColumn<string>("outcome").NotNull();
        table.AddColumn<int>("status").NotNull();
        table.AddColumn<string>("detail").NotNull();
        table.AddColumn<int>("milliseconds").NotNull();
        return table;
    }

    /// <summary>Whether an endpoint takes what it is sent: what it is given up by.</summary>
    private static Table Standings()
    {
        var table = new Table($"{BillingStore.Schema}.webhook_standing");
        table.AddColumn<string>("endpoint_id").AsPrimaryKey();
        table.AddColumn<DateTimeOffset>("failing_since");
        table.AddColumn<string>("last_error").NotNull();
        table.AddColumn<DateTimeOffset>("delivered_at");
        return table;
    }

    /// <summary>Endpoints that came with imported books, and the number of the last event that came with them: what was delivered of those is on no list here.</summary>
    private static Table Imported()
    {
        var table = new Table($"{BillingStore.Schema}.webhook_imported");
        table.AddColumn<string>("endpoint_id").AsPrimaryKey();
        table.AddColumn<long>("through").NotNull();
        return table;
    }

    /// <summary>What deliveries are signed with. No event and no export has it.</summary>
    private static Table Secrets()
    {
        var table = new Table($"{BillingStore.Schema}.{SecretsName}");
        table.AddColumn<string>("endpoint_id").AsPrimaryKey();
        table.AddColumn<string>("secret").AsPrimaryKey();
        // Null for the one that holds.
        table.AddColumn<DateTimeOffset>("valid_until");
        return table;
    }
}
