using System.CommandLine;
using System.Globalization;
using Contracts.Billing.V1;

namespace Cli.Commands;

/// <summary>billing dunning: who is asked again for what was not paid in time, by which schedule, and who is not.</summary>
public static class DunningCommand
{
    public static Command Create() => new("dunning", "Invoices that are late: who is asked again, when, and who is not") { List(), Hold(), Release(), Failed(), Schedule() };

    private static readonly (string Name, Func<InvoiceStanding, object> Of)[] Columns =
    [
        ("number", i => i.Number), ("invoice", i => i.InvoiceId), ("state", i => i.Dunning.State), ("step", i => i.Dunning.Steps == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{i.Dunning.StepsTaken} of {i.Dunning.Steps}")),
        ("next at", i => BillingCalls.Day(i.Dunning.NextAt)), ("next", i => i.Dunning.Next), ("left", i => BillingCalls.Major(i.Currency, i.OutstandingMicros)), ("currency", i => i.Currency),
        ("why", i => i.Dunning is { State: "exhausted", FinalActionRefused.Length: > 0 } ? $"not done: {i.Dunning.FinalActionRefused}"
            : i.Dunning.HoldReason.Length > 0 ? i.Dunning.HoldReason : i.Dunning.Failures.Count > 0 ? i.Dunning.Failures[^1].Reason : ""),
    ];

    private static Command List()
    {
        var customer = UsageCommand.Text("--customer", "only of this customer (cus_…)");
        var state = UsageCommand.Text("--state", "only those that are current, overdue, in_dunning, on_hold, resolved or exhausted (default all that are or were late, and those on hold)");
        return Answering("list", "Invoices that are or were late: how far their dunning is, and what comes next", [], [customer, state], async (client, parsed, ct) =>
        {
            var (request, found) = (new ListInvoiceStandingsRequest { CustomerId = parsed.GetValue(customer)!, DunningState = parsed.GetValue(state)! }, new List<InvoiceStanding>());
            do
            {
                var page = await client.ListInvoiceStandingsAsync(request, cancellationToken: ct);
                found.AddRange(page.Invoices.Where(i => request.DunningState.Length > 0 || i.Dunning.State != "current"));
                request.PageToken = page.NextPageToken;
            }
            while (request.PageToken.Length > 0);
            return found;
        });
    }

    private static Command Hold()
    {
        var (invoice, reason) = (Invoice(), UsageCommand.Text("--reason", "why, such as a dispute; an auditor reads it, and the customer may", required: true));
        return Changing("hold", "Ask nobody for an invoice, whether it is late already or not, until it is released", [invoice], [reason], (client, parsed, ct) =>
            client.HoldDunningAsync(new() { InvoiceId = parsed.GetValue(invoice)!, Reason = parsed.GetValue(reason)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Release()
    {
        var invoice = Invoice();
        return Changing("release", "End a hold: what was still to come comes later by the time that it was held", [invoice], [], (client, parsed, ct) =>
            client.ReleaseDunningAsync(new() { InvoiceId = parsed.GetValue(invoice)! }, cancellationToken: ct).ResponseAsync, isAdministrative: true);
    }

    private static Command Failed()
    {
        var (invoice, provider) = (Invoice(), UsageCommand.Text("--provider", "who could not collect, such as stripe or bank", required: true));
        var (reference, reason) = (UsageCommand.Text("--reference", "the provider's own id of the attempt", required: true), UsageCommand.Text("--reason", "in the provider's words, such as card_declined", required: true));
        return Changing("failed", "Record that a provider could not collect", [invoice], [provider, reference, reason], (client, parsed, ct) => client.RecordPaymentFailureAsync(
            new() { InvoiceId = parsed.GetValue(invoice)!, Provider = parsed.GetValue(provider)!, Reference = parsed.GetValue(reference)!, Reason = parsed.GetValue(reason)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Schedule()
    {
        var steps = new Option<int[]>("--steps")
        {
            HelpName = "DAYS",
            Description = "days after the due date on which customers are asked again, such as 1,3,7,14",
            CustomParser = result =>
            {
                var days = result.Tokens.SelectMany(t => t.Value.Split(',')).ToArray();
                if (days.All(d => int.TryParse(d, NumberStyles.None, CultureInfo.InvariantCulture, out _))) return [.. days.Select(d => int.Parse(d, CultureInfo.InvariantCulture))];
                result.AddError($"--steps {string.Join(' ', result.Tokens.Select(t => t.Value))} is not a list of days such as 1,3,7,14");
                return [];
            },
        };
        var final = CommandLine.Count("--final-day", "DAYS", "days after the due date on which the final action is taken, after the last step", 1, 365);
        var action = UsageCommand.Text("--final", "none (default), pause_subscription, cancel_subscription or mark_uncollectible");
        var off = new Option<bool>("--off") { Description = "ask nobody, for invoices that fall overdue from now on" };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("schedule", "The schedule for invoices that fall overdue from now on; with --steps or --off set it") { steps, final, action, off, billing, json };
        var by = new ByOptions();
        by.AddTo(command, result => ByOptions.Has(result, off) || ByOptions.Has(result, steps));
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var (client, days) = (new Agreements.AgreementsClient(channel), parsed.GetValue(steps) ?? []);
            if (parsed.GetValue(off) && days.Length > 0) throw new UserException("--off and --steps exclude each other");
            if (days.Length > 0 && parsed.GetValue(final) is null) throw new UserException("say when the final action is taken: --final-day DAYS");
            if (days.Length == 0 && (parsed.GetValue(final) is not null || parsed.GetValue(action)!.Length > 0)) throw new UserException("say when customers are asked again: --steps 1,3,7,14");
            var seller = days.Length > 0
                ? await client.SetDunningScheduleAsync(
                    new() { Schedule = new() { StepDays = { days }, FinalDay = parsed.GetValue(final)!.Value, FinalAction = parsed.GetValue(action) is { Length: > 0 } named ? named : "none" } }, cancellationToken: ct)
                : parsed.GetValue(off) ? await client.SetDunningScheduleAsync(new(), cancellationToken: ct) : await client.GetSellerAsync(new(), cancellationToken: ct);
            if (parsed.GetValue(json)) BillingCalls.Print(seller.Dunning ?? new());
            else Console.Out.WriteLine(Told(seller.Dunning));
            return 0;
        }, by.Of(parsed)));
        return command;
    }

    private static string Told(DunningSchedule? schedule) => schedule is null
        ? "nobody is asked again; set a schedule with: billing dunning schedule --steps 1,3,7,14 --final-day 21 --reason …"
        : $"customers are asked again {string.Join(", ", schedule.StepDays)} days after the due date; day {schedule.FinalDay}: {schedule.FinalAction}";

    private static Command Changing(string name, string description, Argument[] arguments, Option[] options, Func<Invoicing.InvoicingClient, ParseResult, CancellationToken, Task<InvoiceStanding>> change, bool isAdministrative = false)
    {
        var by = new ByOptions();
        var command = Answering(name, description, arguments, options, async (client, parsed, ct) => [await change(client, parsed, ct)], by);
        by.AddTo(command, isAdministrative ? _ => true : null);
        return command;
    }

    private static Command Answering(
        string name, string description, Argument[] arguments, Option[] options, Func<Invoicing.InvoicingClient, ParseResult, CancellationToken, Task<IReadOnlyCollection<InvoiceStanding>>> ask, ByOptions? by = null)
    {
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command(name, description) { billing };
        foreach (var argument in arguments) command.Add(argument);
        foreach (var option in options) command.Add(option);
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            shape.Print(parsed, await ask(new(channel), parsed, ct), Columns);
            return 0;
        }, by?.Of(parsed)));
        return command;
    }

    private static Argument<string> Invoice() => new("INVOICE") { Description = "inv_…; see billing dunning list" };
}
