using System.CommandLine;
using System.Globalization;
using Billing.Audit;
using Cli.Demo;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Spectre.Console;
using HistoryPoint = Contracts.Billing.V1.HistoryPoint;

namespace Cli.Commands;

/// <summary>billing audit as-of and diff: anything as it was known, and what changed it.</summary>
public static class AuditHistoryCommands
{
    private static readonly Argument<string> Id = new("id") { HelpName = "ID", Description = "a subscription (sub_…), customer (cus_…, with its account), period (per_…) or invoice (inv_…, its draft where it was one), menu (menu_…), or seller" };

    public static Command AsOf()
    {
        var at = Point("--at", "the point in history");
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("as-of", "Show a subscription, an account or an invoice as it was known at a time or after an event") { Id, at, billing, json };
        command.SetAction((result, ct) => BillingCalls.AskAsync(result.GetValue(billing)!, async channel =>
        {
            var state = await new Audit.AuditClient(channel).AsOfAsync(new() { Id = result.GetValue(Id), At = result.GetValue(at) }, cancellationToken: ct);
            if (result.GetValue(json)) Console.Out.WriteLine(state.Json);
            else
            {
                var table = InvoicePrinter.Table("", "");
                foreach (var (path, value) in JsonChanges.Values(state.Json)) table.AddRow(path.EscapeMarkup(), value.EscapeMarkup());
                CommandLine.Output.Write(table);
                CommandLine.Output.MarkupLineInterpolated($"Folded from {string.Join(", ", state.Versions.Select(v => FormattableString.Invariant($"{v.Version} events of {v.Stream}")))}.");
            }
            return 0;
        }));
        return command;
    }

    public static Command Diff()
    {
        var (from, to) = (Point("--from", "the earlier point", required: true), Point("--to", "the later point; now if absent"));
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("diff", "Say what changed between two points in history, and which events changed it") { Id, from, to, billing, json };
        command.SetAction((result, ct) => BillingCalls.AskAsync(result.GetValue(billing)!, async channel =>
        {
            using var call = new Audit.AuditClient(channel).Diff(new() { Id = result.GetValue(Id), From = result.GetValue(from), To = result.GetValue(to) }, cancellationToken: ct);
            var parts = await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct);
            var (changes, events) = (parts.Where(p => p.Change is not null).Select(p => p.Change).ToArray(), parts.Where(p => p.Event is not null).Select(p => p.Event).ToArray());
            if (result.GetValue(json))
            {
                BillingCalls.Print(new
                {
                    changes = changes.Select(c => new { c.Path, c.Before, c.After }),
                    events = events.Select(e => new { e.Sequence, e.Stream, e.Version, e.Type, at = e.At.ToDateTimeOffset(), e.Data }),
                });
                return 0;
            }
            if (changes.Length == 0)
            {
                Console.Out.WriteLine("nothing changed");
                return 0;
            }
            var values = InvoicePrinter.Table("what", "before", "after");
            foreach (var c in changes) values.AddRow(c.Path.EscapeMarkup(), c.Before.EscapeMarkup(), c.After.EscapeMarkup());
            var log = InvoicePrinter.Table("event", "at", "type", "stream");
            foreach (var e in events)
                log.AddRow($"{e.Sequence}", e.At.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture), e.Type.EscapeMarkup(), $"{e.Stream} at {e.Version}".EscapeMarkup());
            CommandLine.Output.Write(values);
            CommandLine.Output.Write(log);
            return 0;
        }));
        return command;
    }

    internal static Option<HistoryPoint?> Point(string name, string description, bool required = false) => new(name)
    {
        HelpName = "TIME|EVENT",
        Required = required,
        Description = $"{description}: 2026-01-31 or 2026-01-31T12:00:00Z (UTC), or the number of an event",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var sequence) && sequence > 0) return new() { Sequence = sequence };
            if (Inputs.TryTime(text, out var time)) return new() { Time = time.ToTimestamp() };
            result.AddError($"{name} {text} is neither a time such as 2026-01-31T12:00:00Z nor the number of an event");
            return null;
        },
    };
}
