using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;
using Billing.Host;
using Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Cli.Tests;

/// <summary>billing webhook against a billing service that runs and a receiver: the example of docs/webhooks.md.</summary>
public sealed partial class WebhookCommandTests
{
    private const string Endpoint = "whk_019b76daa80080018f6e2a31c0b7d4e5", Documented = "http://127.0.0.1:49152";
    private static readonly string Acme = Ids.Derive(Ids.Customer, RunningBilling.Jan1, "acme"), Theirs = Ids.Derive(Ids.Subscription, RunningBilling.Jan1, "acme");
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>What came, with the headers; answers with a status that can be changed.</summary>
    private sealed class Receiver(WebApplication app) : IAsyncDisposable
    {
        public ConcurrentQueue<(IHeaderDictionary Headers, byte[] Body)> Came { get; } = [];
        public int Status { get; set; } = 204;
        public string Address => app.Urls.First();

        public static async Task<Receiver> StartAsync()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            // A port of five digits, as the document has one.
            builder.WebHost.UseUrls($"http://127.0.0.1:{LocalServers.Ports.Free(1)[0]}");
            var app = builder.Build();
            var receiver = new Receiver(app);
            app.Run(receiver.Take);
            await app.StartAsync();
            return receiver;
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();

        private async Task Take(HttpContext context)
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            Came.Enqueue((new HeaderDictionary(context.Request.Headers.ToDictionary()), body.ToArray()));
            context.Response.StatusCode = Status;
        }
    }

    [Fact]
    public async Task An_operator_follows_deliveries_from_the_command_line()
    {
        await using var running = await RunningBilling.StartAsync("schedule", RunningBilling.SmallAndLarge);
        await using var receiver = await Receiver.StartAsync();
        async Task<string> Done(params string[] args)
        {
            var (exit, output, error) = await running.Billing(args);
            Assert.True(exit == 0, error);
            return output;
        }
        // Addresses and secrets are other ones at every run.
        async Task Shows(int number)
        {
            var (command, printed) = Examples().ElementAt(number);
            var output = await Done(command.Replace(Documented, receiver.Address, StringComparison.Ordinal).Split(' '));
            Assert.Equal(printed, Lines(Secret().Replace(output, "whsec_…").Replace(receiver.Address, Documented, StringComparison.Ordinal)));
        }
        Task Recorded(int attempts) => Eventually.True(
            async () => (await running.Get<WebhookLists>().Deliveries(Endpoint, "", "", long.MaxValue, 100, default)).Sum(d => d.Attempts.Count) == attempts, $"{attempts} attempts are recorded");

        await Done("customer", "create", "--currency", "USD", "--id", Acme);
        await Shows(0);
        await Done("subscription", "start", "--customer", Acme, "--menu", RunningBilling.Menu, "--plan", RunningBilling.Small, "--id", Theirs);
        await Recorded(1);
        receiver.Status = 500;
        await Done("subscription", "change", Theirs, "--plan", RunningBilling.Large, "--now");
        await Recorded(2);
        await Shows(1);
        await Shows(2);
        receiver.Status = 204;
        running.Get<BusinessClock>().MoveTo(RunningBilling.Jan1.AddSeconds(5));
        await Recorded(3);
        await Shows(3);

        var (headers, body) = receiver.Came.First();
        Assert.Equal(Body(), Lines(EventId().Replace(JsonSerializer.Serialize(JsonDocument.Parse(body).RootElement, Indented), "evt_…")));

        // What came can be verified by hand, with the secret that is shown once.
        Assert.Contains("was there already", await Done("webhook", "add", receiver.Address + "/billing", "--id", Endpoint, "--description", "books"), StringComparison.Ordinal);
        var secret = (await Done("webhook", "rotate", Endpoint, "--at-once")).Trim();
        await Done("webhook", "redeliver", Endpoint, JsonDocument.Parse(body).RootElement.GetProperty("sequence").GetString()!.TrimStart('0'));
        await Recorded(4);
        (headers, body) = receiver.Came.Last();
        var file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await File.WriteAllBytesAsync(file, body);
        string[] verify = ["webhook", "verify", file, "--webhook-id", headers["webhook-id"]!, "--webhook-timestamp", headers["webhook-timestamp"]!, "--webhook-signature", headers["webhook-signature"]!, "--secret"];
        Assert.Equal("signed with this secret", (await Done([.. verify, secret])).Trim());
        var forged = await running.BillingApart([.. verify, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        File.Delete(file);
        Assert.Equal(1, forged.Exit);
        Assert.Contains("another secret", forged.Error, StringComparison.Ordinal);

        Assert.Contains("disabled since", await Done("webhook", "disable", Endpoint, "--reason", "moves"), StringComparison.Ordinal);
        Assert.Contains("enabled", await Done("webhook", "enable", Endpoint, "--catch-up"), StringComparison.Ordinal);
        Assert.Contains("hears invoice.finalized", await Done("webhook", "update", Endpoint, "--type", "invoice.finalized"), StringComparison.Ordinal);
        Assert.Contains("enabled", await Done("webhook", "replay", Endpoint, "--from", "2026-01-01", "--undelivered"), StringComparison.Ordinal);
        var refused = await Task.WhenAll(
            running.Billing("webhook", "show", "whk_00000000000000000000000000000000"), running.Billing("webhook", "add", "https://10.0.0.1/"), running.Billing("webhook", "replay", Endpoint),
            running.Billing("webhook", "redeliver", Endpoint, "1"));
        Assert.Equal([1, 1, 1, 1], refused.Select(r => r.Exit));
        Assert.All(new[] { "billing webhook list", "10.0.0.1 is not an address of the public internet", "--from TIME", "billing webhook deliveries" }.Zip(refused), x => Assert.Contains(x.First, x.Second.Error, StringComparison.Ordinal));
    }

    private static string Document() => File.ReadAllText(Path.Combine(Checkout.Root, "docs", "webhooks.md"));

    /// <summary>What the document shows, command by command.</summary>
    private static IEnumerable<(string Command, string[] Printed)> Examples() => Document().Split("$ ./billing ")[1..]
        .Select(part => (part[..part.IndexOf('\n', StringComparison.Ordinal)], Lines(part[part.IndexOf('\n', StringComparison.Ordinal)..].Split("```")[0])));

    private static string[] Body() => Lines(Document().Split("```json")[1].Split("```")[0]);

    private static string[] Lines(string text) => [.. text.Split('\n').Select(l => l.TrimEnd()).Where(l => l.Length > 0)];

    [GeneratedRegex("whsec_[A-Za-z0-9+/=]+")]
    private static partial Regex Secret();

    [GeneratedRegex("evt_[0-9a-f]{32}")]
    private static partial Regex EventId();
}
