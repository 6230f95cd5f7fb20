using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using BillingClient = Contracts.Billing.V1.Billing.BillingClient;

namespace Cli.Commands;

/// <summary>Asks a running billing service, and turns what it refuses into one line that says what to do next.</summary>
public static class BillingCalls
{
    private static readonly JsonSerializerOptions Readable = new(JsonSerializerOptions.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static async Task<int> Ask(Uri billing, Func<BillingClient, Task> ask)
    {
        using var channel = GrpcChannel.ForAddress(billing, new() { MaxReceiveMessageSize = 64 << 20 });
        try
        {
            await ask(new(channel));
            return 0;
        }
        catch (RpcException e) when (e.GetRpcStatus()?.GetDetail<ErrorInfo>() is { } info)
        {
            throw new UserException(NextStep(info.Reason) is { } next ? $"{e.Status.Detail} ({info.Reason}); {next}" : $"{e.Status.Detail} ({info.Reason})");
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
        {
            throw new UserException($"billing does not answer at {billing}: start it, or say where it is with --billing");
        }
        catch (RpcException e)
        {
            throw new UserException(e.Status.Detail);
        }
    }

    /// <summary>The command that helps with this refusal.</summary>
    private static string? NextStep(string reason) => reason switch
    {
        "customer_unknown" => "billing customer list shows those there are",
        "subscription_unknown" => "billing subscription list shows those there are",
        "cancellation_scheduled" => "withdraw it with: billing subscription keep SUBSCRIPTION",
        "customer_subscribed" => "end it with: billing subscription cancel SUBSCRIPTION --now",
        "menu_is_current" => "use: billing subscription change SUBSCRIPTION --plan PLAN",
        "subscription_cancelled" => "billing subscription start begins a new one",
        _ => null,
    };

    public static Option<bool> Json() => new("--json") { Description = "print one JSON object" };

    public static void Print(object value) => Console.Out.WriteLine(JsonSerializer.Serialize(value, Readable));
}
