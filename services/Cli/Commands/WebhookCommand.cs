using System.CommandLine;
using System.Globalization;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Option = System.CommandLine.Option;

namespace Cli.Commands;

/// <summary>billing webhook: who is told over HTTP what happens, what became of it, and sending it again.</summary>
public static class WebhookCommand
{
    private static readonly (string Name, Func<WebhookEndpoint, object> Of)[] EndpointColumns =
    [
        ("endpoint", e => e.EndpointId), ("address", e => e.Url), ("hears", e => e.EventTypes.Count == 0 ? "all" : string.Join(", ", e.EventTypes)), ("status", e => e.Status),
        ("pending", e => e.Pending), ("given up", e => e.Failed), ("failing since", e => BillingCalls.Day(e.FailingSince)),
    ];

    private static readonly (string Name, Func<WebhookDelivery, object> Of)[] DeliveryColumns =
    [
        ("event", d => d.Sequence.ToString(CultureInfo.InvariantCulture)), ("type", d => d.Type), ("about", d => d.Subject), ("status", d => d.Status), ("attempts", d => d.Attempts.Count),
        ("next", d => Moment(d.DueAt)), ("latest", d => d.Attempts.LastOrDefault() is { } a ? $"{a.Outcome}{(a.Detail.Length > 0 ? ": " + a.Detail : "")}" : ""),
    ];

    public static Command Create() => new("webhook", "Endpoints that are told over HTTP what happens to invoices and subscriptions")
    {
        Add(), List(), Show(), Update(), Rotate(), Disable(), Enable(), Deliveries(), Redeliver(), Replay(), WebhookVerify.Create(),
    };

    private static Command Add()
    {
        var url = new Argument<string>("URL") { Description = "https, kept for ever: it holds no secret" };
        var (types, description, id) = (Types(), Description(), UsageCommand.Text("--id", "whk_… of your own, so that a repeat is one"));
        var command = Changing("add", "Tell an endpoint what happens from now on; its secret is shown once", [types, description, id], async (client, parsed, json, ct) =>
        {
            var request = new RegisterEndpointRequest { EndpointId = parsed.GetValue(id), Url = parsed.GetValue(url), Description = parsed.GetValue(description) };
            request.EventTypes.AddRange(parsed.GetValue(types)!);
            await Print(await client.RegisterEndpointAsync(request, cancellationToken: ct), json);
        });
        command.Add(url);
        return command;
    }

    private static Command Update()
    {
        var (url, types, description) = (UsageCommand.Text("--url", "where it is (default: where it was)"), Types(), Description());
        return OnEndpoint("update", "Change where an endpoint is, or what it hears", [url, types, description], async (client, id, parsed, json, ct) =>
        {
            var was = await client.GetEndpointAsync(new() { EndpointId = id }, cancellationToken: ct);
            var request = new UpdateEndpointRequest
            {
                EndpointId = id, Url = parsed.GetValue(url)!.Length > 0 ? parsed.GetValue(url) : was.Url, Description = parsed.GetValue(description)!.Length > 0 ? parsed.GetValue(description) : was.Description,
            };
            string[] hears = parsed.GetValue(types)!.Length > 0 ? parsed.GetValue(types)! : [.. was.EventTypes];
            request.EventTypes.AddRange(hears is ["all"] ? [] : hears);
            Print(await client.UpdateEndpointAsync(request, cancellationToken: ct), json);
        });
    }

    private static Command List()
    {
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command("list", "The endpoints, and how it goes with each") { billing };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var (client, found) = (new Webhooks.WebhooksClient(channel), new List<WebhookEndpoint>());
            for (var token = ""; ;)
            {
                var page = await client.ListEndpointsAsync(new() { PageSize = 1_000, PageToken = token }, cancellationToken: ct);
                found.AddRange(page.Endpoints);
                if ((token = page.NextPageToken).Length == 0) break;
            }
            shape.Print(parsed, found, EndpointColumns);
            return 0;
        }));
        return command;
    }

    private static Command Show() => OnEndpoint("show", "An endpoint, and how it goes with it", [], async (client, id, _, json, ct) => Print(await client.GetEndpointAsync(new() { EndpointId = id }, cancellationToken: ct), json));

    private static Command Rotate()
    {
        var atOnce = new Option<bool>("--at-once") { Description = "the old secret may have been seen: it does not sign for another day" };
        return OnEndpoint("rotate", "Give an endpoint a new secret; it is shown once, and the old one signs beside it for a day", [atOnce], async (client, id, parsed, json, ct) =>
            await Print(await client.RotateSecretAsync(new() { EndpointId = id, AtOnce = parsed.GetValue(atOnce) }, cancellationToken: ct), json));
    }

    private static Command Disable() => OnEndpoint("disable", "Send an endpoint nothing more; what is queued stays", [], async (client, id, _, json, ct) =>
        Print(await client.DisableEndpointAsync(new() { EndpointId = id }, cancellationToken: ct), json));

    private static Command Enable()
    {
        var catchUp = new Option<bool>("--catch-up") { Description = "first send what it did not get: what was given up, and what happened since it was disabled" };
        return OnEndpoint("enable", "Send to an endpoint again, first what is queued", [catchUp], async (client, id, parsed, json, ct) =>
            Print(await client.EnableEndpointAsync(new() { EndpointId = id, CatchUp = parsed.GetValue(catchUp) }, cancellationToken: ct), json));
    }

    private static Command Deliveries()
    {
        var endpoint = Endpoint();
        var (status, about) = (UsageCommand.Text("--status", "pending, delivered or failed"), UsageCommand.Text("--about", "only of this object: inv_…, sub_…"));
        var limit = CommandLine.Count("--limit", "N", "the latest so many (default 50)", 1, 1_000);
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command("deliveries", "What was sent to an endpoint or is to be, and what came of it; the latest event first") { endpoint, status, about, limit, billing };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var request = new ListDeliveriesRequest { EndpointId = parsed.GetValue(endpoint), Status = parsed.GetValue(status), Subject = parsed.GetValue(about), PageSize = parsed.GetValue(limit) ?? 50 };
            shape.Print(parsed, (await new Webhooks.WebhooksClient(channel).ListDeliveriesAsync(request, cancellationToken: ct)).Deliveries, DeliveryColumns);
            return 0;
        }));
        return command;
    }

    private static Command Redeliver()
    {
        var number = new Argument<long>("EVENT") { Description = "its number, as billing webhook deliveries shows it" };
        var command = OnEndpoint("redeliver", "Send one event again, at once", [], async (client, id, parsed, json, ct) =>
            Print(await client.RedeliverAsync(new() { EndpointId = id, Sequence = parsed.GetValue(number) }, cancellationToken: ct), json));
        command.Add(number);
        return command;
    }

    private static Command Replay()
    {
        var from = BillingCalls.Time("--from", "what happened from this time on");
        var fromEvent = new Option<long>("--from-event") { HelpName = "N", Description = "or from this event on, by its number" };
        var toEvent = new Option<long>("--to-event") { HelpName = "N", Description = "up to and with this event (default up to now)" };
        var undelivered = new Option<bool>("--undelivered") { Description = "leave out what it has taken" };
        return OnEndpoint("replay", "Send again what happened, in its order", [from, fromEvent, toEvent, undelivered], async (client, id, parsed, json, ct) =>
        {
            if (parsed.GetValue(from) is null == (parsed.GetValue(fromEvent) == 0)) throw new UserException("say where to begin: --from TIME or --from-event N");
            Print(await client.ReplayEndpointAsync(
                new() { EndpointId = id, From = parsed.GetValue(from), FromSequence = parsed.GetValue(fromEvent), ToSequence = parsed.GetValue(toEvent), OnlyUndelivered = parsed.GetValue(undelivered) }, cancellationToken: ct), json);
        });
    }

    private static Option<string[]> Types() => new("--type") { HelpName = "TYPE", Description = "what it hears, such as invoice.finalized; repeat it (default all)" };

    private static Option<string> Description() => UsageCommand.Text("--description", "for people, such as books");

    private static Argument<string> Endpoint() => new("ENDPOINT") { Description = "whk_…, as billing webhook list shows it" };

    private static Command OnEndpoint(string name, string description, Option[] options, Func<Webhooks.WebhooksClient, string, ParseResult, bool, CancellationToken, Task> ask)
    {
        var endpoint = Endpoint();
        var command = Changing(name, description, options, (client, parsed, json, ct) => ask(client, parsed.GetValue(endpoint)!, parsed, json, ct));
        command.Add(endpoint);
        return command;
    }

    private static Command Changing(string name, string description, Option[] options, Func<Webhooks.WebhooksClient, ParseResult, bool, CancellationToken, Task> change)
    {
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command(name, description) { billing, json };
        foreach (var option in options) command.Add(option);
        var by = new ByOptions();
        by.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            await change(new(channel), parsed, parsed.GetValue(json), ct);
            return 0;
        }, by.Of(parsed)));
        return command;
    }

    private static async Task Print(EndpointSecret made, bool json)
    {
        if (json) BillingCalls.Print(made);
        else if (made.Secret.Length == 0) Console.Out.WriteLine($"{made.Endpoint.EndpointId} was there already, and its secret is not shown again: billing webhook rotate {made.Endpoint.EndpointId} makes a new one");
        else
        {
            Console.Out.WriteLine(made.Secret);
            await Console.Error.WriteLineAsync($"billing: this is the secret of {made.Endpoint.EndpointId} ({made.Endpoint.Url}); keep it, it is not shown again");
        }
    }

    private static void Print(WebhookEndpoint e, bool json)
    {
        if (json)
        {
            BillingCalls.Print(e);
            return;
        }
        Console.Out.WriteLine($"{e.EndpointId} at {e.Url}{(e.Description.Length > 0 ? $" ({e.Description})" : "")}, since {Moment(e.RegisteredAt)}");
        Console.Out.WriteLine($"hears {(e.EventTypes.Count == 0 ? "all" : string.Join(", ", e.EventTypes))}");
        Console.Out.WriteLine(e.Status == "disabled" ? $"disabled since {Moment(e.DisabledAt)} ({e.DisabledCause}): {e.DisabledDetail}" : "enabled");
        if (!e.HasSecret) Console.Out.WriteLine($"has no secret, so nothing is sent: billing webhook rotate {e.EndpointId} makes one");
        if (e.FailingSince is not null) Console.Out.WriteLine($"takes nothing since {Moment(e.FailingSince)}: {e.LastError}");
        Console.Out.WriteLine($"latest delivery {(e.DeliveredAt is null ? "none yet" : Moment(e.DeliveredAt))}; {e.Pending} pending, {e.Failed} given up");
        if (e.Status == "disabled") Console.Out.WriteLine($"next: billing webhook enable {e.EndpointId} --catch-up sends what it missed");
        else if (e.Failed > 0) Console.Out.WriteLine($"next: billing webhook deliveries {e.EndpointId} --status failed says what; billing webhook replay {e.EndpointId} --from … --undelivered sends it");
    }

    private static string Moment(Timestamp? at) => at?.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) ?? "";
}
