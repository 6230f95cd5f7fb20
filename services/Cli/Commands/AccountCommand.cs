using System.CommandLine;
using System.Globalization;
using Contracts.Billing.V1;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>billing account: what is agreed with a customer beside the plan.</summary>
public static class AccountCommand
{
    public static Command Create() => new("account", "Commitments, discounts, credit and tax of a customer") { Show(), Commit(), Discount(), End(), Credit(), Tokens(), Tax() };

    private static Command Show() => Changing("show", "What is agreed, and what credit is left", [], (client, customer, _, ct) =>
        client.GetAccountAsync(new() { CustomerId = customer }, cancellationToken: ct).ResponseAsync);

    private static Command Commit()
    {
        var subscription = UsageCommand.Text("--subscription", "sub_…", required: true);
        var amount = BillingCalls.Amount("--amount", "what every period costs at least, before discounts", required: true);
        var (id, from, until) = (UsageCommand.Text("--id", "com_…, so that a repeat is the same one"), BillingCalls.Time("--from", "periods that start at or after (default now)"), BillingCalls.Time("--until", "and before (default for ever)"));
        return Changing("commit", "Agree on a minimum for every period of a subscription", [subscription, amount, id, from, until], (client, customer, parsed, ct) => client.AgreeCommitmentAsync(
            new()
            {
                CustomerId = customer, CommitmentId = parsed.GetValue(id)!, SubscriptionId = parsed.GetValue(subscription)!, AmountMicros = parsed.GetValue(amount)!.Value,
                From = parsed.GetValue(from), Until = parsed.GetValue(until),
            }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Discount()
    {
        var (name, scope) = (UsageCommand.Text("--name", "printed on invoices", required: true), UsageCommand.Text("--scope", "all (default), subscription or usage"));
        var (percent, amount) = (UsageCommand.Text("--percent", "such as 12.5"), BillingCalls.Amount("--amount", "off every period, such as 20.00"));
        var (subscription, id) = (UsageCommand.Text("--subscription", "only this one (sub_…)"), UsageCommand.Text("--id", "dis_…, so that a repeat is the same one"));
        var (from, until) = (BillingCalls.Time("--from", "periods that start at or after (default now)"), BillingCalls.Time("--until", "and before (default for ever)"));
        return Changing("discount", "Grant a percentage or an amount off every period", [name, scope, percent, amount, subscription, id, from, until], (client, customer, parsed, ct) => client.GrantDiscountAsync(
            new()
            {
                CustomerId = customer, DiscountId = parsed.GetValue(id)!, SubscriptionId = parsed.GetValue(subscription)!, Name = parsed.GetValue(name)!, Scope = parsed.GetValue(scope)!,
                Percent = parsed.GetValue(percent)!, AmountMicros = parsed.GetValue(amount) ?? 0, From = parsed.GetValue(from), Until = parsed.GetValue(until),
            }, cancellationToken: ct).ResponseAsync);
    }

    private static Command End()
    {
        var (agreement, until) = (UsageCommand.Text("--agreement", "com_…, dis_… or crd_…", required: true), BillingCalls.Time("--until", "periods that start at or after do without it; a grant expires then (default now)"));
        return Changing("end", "End a commitment or a discount, or take back what is left of a grant", [agreement, until], (client, customer, parsed, ct) =>
            client.EndAgreementAsync(new() { CustomerId = customer, AgreementId = parsed.GetValue(agreement)!, Until = parsed.GetValue(until) }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Credit()
    {
        var (name, amount) = (UsageCommand.Text("--name", "printed on invoices", required: true), BillingCalls.Amount("--amount", "such as 50.00", required: true));
        var (id, priority, expires) = Granting();
        return Changing("credit", "Grant money that pays invoices first", [name, amount, id, priority, expires], (client, customer, parsed, ct) => client.GrantMoneyCreditAsync(
            new()
            {
                CustomerId = customer, GrantId = parsed.GetValue(id)!, Name = parsed.GetValue(name)!, AmountMicros = parsed.GetValue(amount)!.Value, Priority = parsed.GetValue(priority),
                ExpiresAt = parsed.GetValue(expires),
            }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Tokens()
    {
        var name = UsageCommand.Text("--name", "printed on invoices", required: true);
        var tokens = new Option<long>("--tokens") { Description = "how many", Required = true };
        var kinds = new Option<string[]>("--kind") { Description = "which they cover (default output and reasoning); may be repeated", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [] };
        var (id, priority, expires) = Granting();
        return Changing("tokens", "Grant tokens beyond the cap, paid for in advance", [name, tokens, kinds, id, priority, expires], (client, customer, parsed, ct) =>
        {
            var request = new GrantTokenCreditRequest
            {
                CustomerId = customer, GrantId = parsed.GetValue(id)!, Name = parsed.GetValue(name)!, Tokens = parsed.GetValue(tokens), Priority = parsed.GetValue(priority), ExpiresAt = parsed.GetValue(expires),
            };
            request.Kinds.AddRange(parsed.GetValue(kinds)!);
            return client.GrantTokenCreditAsync(request, cancellationToken: ct).ResponseAsync;
        });
    }

    private static Command Tax()
    {
        var jurisdiction = UsageCommand.Text("--jurisdiction", "whose rates apply, such as DE or US-CA", required: true);
        var treatment = UsageCommand.Text("--treatment", "standard, exempt or reverse_charge", required: true);
        var note = UsageCommand.Text("--note", "printed where no tax is charged: the certificate, or the customer's tax number");
        var from = BillingCalls.Time("--from", "for periods whose last moment is at or after (default now)");
        return Changing("tax", "Say how the customer is taxed, from a date on", [jurisdiction, treatment, note, from], (client, customer, parsed, ct) => client.SetTaxTreatmentAsync(
            new() { CustomerId = customer, Jurisdiction = parsed.GetValue(jurisdiction)!, Treatment = parsed.GetValue(treatment)!, Note = parsed.GetValue(note)!, From = parsed.GetValue(from) },
            cancellationToken: ct).ResponseAsync);
    }

    private static (Option<string> Id, Option<int> Priority, Option<Google.Protobuf.WellKnownTypes.Timestamp?> Expires) Granting() => (
        UsageCommand.Text("--id", "crd_…, so that a repeat is the same grant"), new("--priority") { Description = "lower is used first (default 0)" }, BillingCalls.Time("--expires", "not used for periods that start then or later"));

    private static Command Changing(string name, string description, Option[] options, Func<Agreements.AgreementsClient, string, ParseResult, CancellationToken, Task<Account>> change)
    {
        var customer = new Argument<string>("CUSTOMER") { Description = "cus_…" };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command(name, description) { customer, billing, json };
        foreach (var option in options) command.Add(option);
        var by = new ByOptions();
        by.AddTo(command, _ => true);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var account = await change(new(channel), parsed.GetValue(customer)!, parsed, ct);
            if (parsed.GetValue(json)) BillingCalls.Print(account);
            else Print(account);
            return 0;
        }, by.Of(parsed)));
        return command;
    }

    private static void Print(Account account)
    {
        var currency = Kernel.Currency.Parse(account.Currency);
        string Money(long micros) => $"{new Micros(micros).ToMajorUnits(currency)} {currency}";
        string Span(Google.Protobuf.WellKnownTypes.Timestamp from, Google.Protobuf.WellKnownTypes.Timestamp? until) => $"{BillingCalls.Day(from)} to {(until is null ? "…" : BillingCalls.Day(until))}";
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in new[] { "agreement", "what", "holds", "left" }) table.AddColumn(column);
        foreach (var c in account.Commitments) table.AddRow(c.CommitmentId, $"at least {Money(c.AmountMicros)} a period", Span(c.From, c.Until), "");
        foreach (var d in account.Discounts)
            table.AddRow(d.DiscountId, Markup.Escape($"{d.Name}: {(d.Percent.Length > 0 ? $"{d.Percent} %" : Money(d.AmountMicros))} off {d.Scope}"), Span(d.From, d.Until), "");
        foreach (var g in account.Credit)
            table.AddRow(
                g.GrantId, Markup.Escape($"{g.Name}: {(g.Kinds.Count == 0 ? Money(g.Granted) : string.Create(CultureInfo.InvariantCulture, $"{g.Granted:N0} tokens ({string.Join(", ", g.Kinds)})"))}"),
                g.ExpiresAt is null ? "" : $"until {BillingCalls.Day(g.ExpiresAt)}", g.Kinds.Count == 0 ? Money(g.Left) : g.Left.ToString("N0", CultureInfo.InvariantCulture));
        if (account.Jurisdiction.Length > 0) table.AddRow("tax", Markup.Escape($"{account.Treatment} in {account.Jurisdiction} {account.TaxNote}".Trim()), account.TaxSource == "identity" ? "by its tax identity" : account.TaxFrom is null ? "" : $"from {BillingCalls.Day(account.TaxFrom)}", "");
        CommandLine.Output.Write(table);
        if (table.Rows.Count == 0) Console.Out.WriteLine("nothing is agreed beside the plan; see billing account --help");
    }
}
