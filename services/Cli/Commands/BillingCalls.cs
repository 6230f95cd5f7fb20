using System.CommandLine;
using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Cli.Commands;

/// <summary>Calls to the billing service, and their failures in one line.</summary>
internal static class BillingCalls
{
    public static async Task<int> AskAsync(Uri billing, Func<GrpcChannel, Task<int>> ask)
    {
        using var channel = GrpcChannel.ForAddress(billing, new() { MaxReceiveMessageSize = 64 << 20 });
        try
        {
            return await ask(channel);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Cancelled)
        {
            throw new OperationCanceledException(e.Message, e);
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable && e.GetRpcStatus() is null)
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

    public static string Day(Timestamp? at) => at?.ToDateTimeOffset().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "";

    public static Option<bool> Json() => new("--json") { Description = "print one JSON object" };

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
            if (decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount) && amount > 0 && amount.Scale <= 6 && amount <= 1_000_000_000_000)
                return (long)(amount * 1_000_000);
            result.AddError($"{name} {text} is not an amount such as 12.50");
            return null;
        },
    };

    /// <summary>A day, or a moment, in UTC.</summary>
    public static Option<Timestamp?> Time(string name, string description) => new(name)
    {
        HelpName = "TIME",
        Description = $"{description}: 2026-01-31 or 2026-01-31T12:00:00Z, UTC",
        CustomParser = result =>
        {
            string[] formats = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ss'Z'"];
            if (DateTimeOffset.TryParseExact(result.Tokens[0].Value, formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return time.ToTimestamp();
            result.AddError($"{name} {result.Tokens[0].Value} is not a time such as 2026-01-31 or 2026-01-31T12:00:00Z");
            return null;
        },
    };
}
