using System.CommandLine;
using System.Globalization;
using Billing.Webhooks;

namespace Cli.Commands;

/// <summary>billing webhook verify: whether a request that a receiver got is billing's, with nothing but its headers and its bytes.</summary>
public static class WebhookVerify
{
    public static Command Create()
    {
        var file = new Argument<FileInfo>("BODY") { Description = "a file with the body as it came, byte for byte" };
        var (id, timestamp) = (UsageCommand.Text("--webhook-id", "the header webhook-id", required: true), UsageCommand.Text("--webhook-timestamp", "the header webhook-timestamp", required: true));
        var (signature, secret) = (UsageCommand.Text("--webhook-signature", "the header webhook-signature", required: true), UsageCommand.Text("--secret", "whsec_… (default the environment's BILLING_WEBHOOK_SECRET)"));
        var command = new Command("verify", "Whether a request that a receiver got is signed with its secret; exit code 1 if not") { file, id, timestamp, signature, secret };
        command.SetAction(async (parsed, ct) =>
        {
            var key = parsed.GetValue(secret)!.Length > 0 ? parsed.GetValue(secret)! : Environment.GetEnvironmentVariable("BILLING_WEBHOOK_SECRET") ?? throw new UserException("say the secret: BILLING_WEBHOOK_SECRET=whsec_… in the environment (or --secret, which everybody on the machine can read)");
            if (!long.TryParse(parsed.GetValue(timestamp), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) throw new UserException($"{parsed.GetValue(timestamp)} is not a time in seconds since 1970");
            if (!Verified(key, parsed.GetValue(id)!, seconds, await ReadAsync(parsed.GetValue(file)!, ct), parsed.GetValue(signature)!))
                throw new UserException("none of the signatures is this secret's: another secret, or a body that is not byte for byte what came");
            var old = TimeProvider.System.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(seconds);
            Console.Out.WriteLine(old.Duration() > WebhookSignature.Tolerance ? "signed with this secret; sent more than 5 minutes from now, so a receiver would take it for a replay by somebody else" : "signed with this secret");
            return 0;
        });
        return command;
    }

    private static bool Verified(string secret, string id, long timestamp, byte[] body, string signatures)
    {
        try
        {
            return WebhookSignature.Verify(secret, id, timestamp, body, signatures);
        }
        catch (FormatException e)
        {
            throw new UserException(e.Message);
        }
    }

    private static async Task<byte[]> ReadAsync(FileInfo file, CancellationToken ct)
    {
        try
        {
            return await File.ReadAllBytesAsync(file.FullName, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{file}: {e.Message}");
        }
    }
}
