using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using BillingClient = Contracts.Billing.V1.Billing.BillingClient;

namespace Cli.Commands;

/// <summary>Asks a running billing service, and turns what it refuses into one line that says what to do next.</summary>
public static class BillingCalls
{
    private static readonly JsonSerializerOptions Readable = new(JsonSerializerOptions.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="by">who orders it, and why; null where nothing is changed</param>
    public static Task<int> Ask(Uri billing, Func<BillingClient, Task> ask, Metadata? by = null) => AskAsync(billing, async channel =>
    {
        await ask(new(channel));
        return 0;
    }, by);

    /// <param name="by">likewise</param>
    public static async Task<int> AskAsync(Uri billing, Func<CallInvoker, Task<int>> ask, Metadata? by = null)
    {
        using var channel = ServiceChannel.Open(billing);
        try
        {
            return await ask(channel.Intercept(headers => With(headers, by)));
        }
        catch (RpcException e) when (e.GetRpcStatus()?.GetDetail<ErrorInfo>() is { } info)
        {
            throw new UserException(Told(e.Status.Detail, info.Reason));
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
        {
            throw new UserException($"billing does not answer at {billing}: start it, or say where it is with --billing");
        }
        catch (RpcException e)
        {
            throw new UserException(e.Status.Detail);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException(e.Message);
        }
    }

    private static Metadata With(Metadata headers, Metadata? by)
    {
        foreach (var entry in by ?? []) headers.Add(entry);
        return headers;
    }

    /// <summary>A refusal in one line that says what to do next.</summary>
    public static string Told(string detail, string reason) => NextStep(reason) is { } next ? $"{detail} ({reason}); {next}" : $"{detail} ({reason})";

    /// <summary>The command that helps with this refusal.</summary>
    private static string? NextStep(string reason) => reason switch
    {
        "customer_unknown" => "billing customer list shows those there are",
        "subscription_unknown" => "billing subscription list shows those there are",
        "cancellation_scheduled" => "withdraw it with: billing subscription keep SUBSCRIPTION",
        "subscription_paused" => "use: billing subscription resume SUBSCRIPTION",
        "subscription_trialing" => "end the trial with: billing subscription activate SUBSCRIPTION",
        "customer_to_invoice" => "see it with: billing invoice list --drafts",
        "customer_subscribed" => "end it with: billing subscription cancel SUBSCRIPTION --now",
        "menu_is_current" => "use: billing subscription change SUBSCRIPTION --plan PLAN",
        "subscription_cancelled" => "billing subscription start begins a new one",
        "invoice_unknown" => "billing invoice list shows those that are final, billing invoice list --drafts those to come",
        "invoice_paid" or "invoice_credited" or "invoice_written_off" => "use: billing invoice credit INVOICE --reason …",
        "dunning_held" => "end it with: billing dunning release INVOICE --reason …",
        "dunning_exhausted" or "nothing_to_dun" => "billing dunning list shows what is still to come",
        "dunning_schedule_invalid" => "such as: billing dunning schedule --steps 1,3,7,14 --final-day 21 --reason …",
        "credit_exceeds_invoice" => "leave out --amount to credit all that is left",
        "key_missing" => "put it in the environment: BILLING_API_KEY=bk_live_…",
        "actor_missing" => "say it with --reason TEXT (and --actor NAME, where it is not your user name)",
        "not_known_then" => "leave out the point to see it as it is now",
        "usage_unreachable" => "start usage, or mend Billing__UsageAddress of billing",
        "report_not_applied" => "billing audit reconcile says which of these",
        "events_not_sealed" => "billing audit verify says how many are not",
        "store_not_empty" => "name another database: Billing__Postgres (or --postgres)",
        "export_invalid" => "billing audit verify FILE names every line that does not hold",
        "export_too_old" => "write it again with: billing audit export --out FILE",
        "parked_unknown" => "billing parked list shows what is",
        "parked_waited_for" => "when it is mended: billing parked replay MESSAGE --reason …",
        "shard_unknown" => "billing shard list shows those there are",
        "period_not_closed" or "period_unknown" => "billing invoice list --drafts shows what can be finalized",
        "ledger_account_unknown" => "billing ledger accounts shows those there are",
        "document_differs" => "billing audit replay says how",
        "tax_rate_unknown" => "set one with: billing seller tax-rate --jurisdiction … --name … --percent … --reason …",
        "webhook_unknown" => "billing webhook list shows those there are",
        "webhook_exists" => "use: billing webhook update ENDPOINT",
        "webhook_event_unknown" => "billing webhook deliveries ENDPOINT shows those there are",
        "agreement_unknown" => "billing account show CUSTOMER lists them",
        "commitment_overlaps" => "end the other with: billing account end CUSTOMER --agreement … --reason …",
        _ => null,
    };

    public static Option<bool> Json() => new("--json") { Description = "print one JSON object" };

    public static void Print(object value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, Readable));

    public static void Print(IMessage message) => Console.Out.WriteLine(JsonFormatter.Default.Format(message));

    /// <summary>An amount in major units on the command line; micros in the call.</summary>
    public static Option<long?> Amount(string name, string description, bool required = false) => new(name)
    {
        HelpName = "AMOUNT",
        Description = description,
        Required = required,
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (Inputs.TryAmount(text, out var micros) && micros > 0) return micros;
            result.AddError($"{name} {text} is not an amount such as 12.50");
            return null;
        },
    };

    /// <summary>Micros in major units, exact, with at least the digits of the currency.</summary>
    public static decimal Major(string currency, long micros) => micros / 1_000_000m + new decimal(0, 0, 0, false, (byte)Kernel.Currency.Parse(currency).Digits);

    /// <summary>A day, or a moment, in UTC.</summary>
    public static Option<Timestamp?> Time(string name, string description) => new(name)
    {
        HelpName = "TIME",
        Description = $"{description}: 2026-01-31 or 2026-01-31T12:00:00Z, UTC",
        CustomParser = result =>
        {
            if (Inputs.TryTime(result.Tokens[0].Value, out var time)) return time.ToTimestamp();
            result.AddError($"{name} {result.Tokens[0].Value} is not a time such as 2026-01-31 or 2026-01-31T12:00:00Z");
            return null;
        },
    };

    public static string Day(Timestamp? at) => at?.ToDateTimeOffset().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "";
}
