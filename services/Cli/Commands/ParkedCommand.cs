using System.CommandLine;
using Contracts.Billing.V1;

namespace Cli.Commands;

/// <summary>billing parked: messages that billing could not take, why, taking them again, and setting aside what nothing waits for.</summary>
public static class ParkedCommand
{
    private static readonly (string Name, Func<ParkedMessage, object> Of)[] Columns =
        [("message", m => m.Id), ("reason", m => m.Reason), ("parked", m => BillingCalls.Day(m.ParkedAt)), ("set aside", m => m.SetAsideAt is { } at ? BillingCalls.Day(at) : ""), ("detail", m => m.Detail)];

    public static Command Create() => new("parked", "Messages that billing could not take, and taking them again") { List(), Replay(), SetAside() };

    private static Command List()
    {
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var setAside = new Option<bool>("--set-aside") { Description = "those too that were set aside" };
        var command = new Command("list", "What is parked, and why") { setAside, billing };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            shape.Print(parsed, await AllAsync(new(channel), parsed.GetValue(setAside), ct), Columns);
            return 0;
        }));
        return command;
    }

    private static Command Replay()
    {
        var id = new Argument<string?>("MESSAGE") { Description = "as billing parked list shows it", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all") { Description = "all that is parked" };
        var billing = ServiceAddress.Billing();
        var json = new Option<bool>("--json") { Description = "print one JSON object for each message" };
        var command = new Command("replay", "Take parked messages again, when the cause is mended; exit code 1 if any stays parked") { id, all, json, billing };
        var by = new ByOptions();
        by.AddTo(command, _ => true);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            if (parsed.GetValue(id) is null == !parsed.GetValue(all)) throw new UserException("name one message, or say --all: billing parked list shows what is parked");
            var client = new Operations.OperationsClient(channel);
            string[] wanted = parsed.GetValue(id) is { } one ? [one] : [.. (await AllAsync(client, setAsideToo: false, ct)).Select(m => m.Id)];
            var left = 0;
            foreach (var message in wanted)
            {
                var answer = await client.ReplayParkedMessageAsync(new() { Id = message }, cancellationToken: ct);
                if (!answer.Taken) left++;
                if (parsed.GetValue(json)) BillingCalls.Print(new { message, taken = answer.Taken, reason = answer.Reason, detail = answer.Detail });
                else Console.Out.WriteLine(answer.Taken ? $"{message} is taken" : $"{message} stays parked: {answer.Detail} ({answer.Reason})");
            }
            return left == 0 ? 0 : CommandLine.Faulty;
        }, by.Of(parsed)));
        return command;
    }

    private static Command SetAside()
    {
        var id = new Argument<string>("MESSAGE") { Description = "as billing parked list shows it" };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("set-aside", "Keep a message and list it no more: one that contradicts what is in the books, is of an unknown type, or cannot be read") { id, json, billing };
        var by = new ByOptions();
        by.AddTo(command, _ => true);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var message = parsed.GetValue(id)!;
            await new Operations.OperationsClient(channel).SetAsideParkedMessageAsync(new() { Id = message }, cancellationToken: ct);
            if (parsed.GetValue(json)) BillingCalls.Print(new { message, setAside = true });
            else Console.Out.WriteLine($"{message} is set aside: billing parked list --set-aside shows it");
            return 0;
        }, by.Of(parsed)));
        return command;
    }

    private static async Task<IReadOnlyList<ParkedMessage>> AllAsync(Operations.OperationsClient client, bool setAsideToo, CancellationToken ct)
    {
        var found = new List<ParkedMessage>();
        for (var token = ""; ;)
        {
            var page = await client.ListParkedMessagesAsync(new() { PageSize = 1_000, PageToken = token, IncludeSetAside = setAsideToo }, cancellationToken: ct);
            found.AddRange(page.Messages);
            if ((token = page.NextPageToken).Length == 0) return found;
        }
    }
}
