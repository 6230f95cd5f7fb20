using System.CommandLine;
using System.Globalization;
using Contracts.Billing.V1;
using Google.Protobuf;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>billing seller: the head of invoices, payment terms, the tax table, and where numbers begin.</summary>
public static class SellerCommand
{
    public static Command Create() => new("seller", "Who sells: the head of invoices, payment terms, the tax table, and where numbers begin") { Show(), Describe(), TaxRate(), Numbering() };

    private static Command Show() => Changing("show", "The seller as invoices show it, and the tax table", [], (client, _, ct) => client.GetSellerAsync(new(), cancellationToken: ct).ResponseAsync);

    private static Command Describe()
    {
        var (name, tax, email) = (UsageCommand.Text("--name", "as invoices show it", required: true), UsageCommand.Text("--tax-id", "the seller's tax number"), UsageCommand.Text("--email", "for questions about invoices"));
        var address = new Option<string[]>("--address") { HelpName = "LINE", Description = "a line of the address; repeat it", Required = true };
        var country = UsageCommand.Text("--country", "ISO 3166-1, such as DE: e-invoices demand it");
        var outside = new Option<bool>("--not-subject-to-vat") { Description = "the seller is not subject to VAT: nothing is taxed, whatever the tax table says, and every document says so; say it each time, as all the rest" };
        var payment = UsageCommand.Text("--payment", "how to pay, such as an IBAN");
        var days = CommandLine.Count("--terms", "DAYS", "an invoice is due so many days after it was finalized (default 30)", 0, 365);
        return Changing("describe", "Say who sells, for invoices that become final from now on", [name, address, country, tax, outside, email, payment, days], (client, parsed, ct) =>
        {
            var request = new DescribeSellerRequest
            {
                Name = parsed.GetValue(name)!, TaxId = parsed.GetValue(tax)!, Email = parsed.GetValue(email)!, PaymentInstructions = parsed.GetValue(payment)!, PaymentTermsDays = parsed.GetValue(days) ?? 30,
                Country = parsed.GetValue(country)!, NotSubjectToVat = parsed.GetValue(outside),
            };
            request.AddressLines.AddRange(parsed.GetValue(address)!);
            return client.DescribeSellerAsync(request, cancellationToken: ct).ResponseAsync;
        });
    }

    private static Command TaxRate()
    {
        var (jurisdiction, name) = (UsageCommand.Text("--jurisdiction", "such as DE or US-CA", required: true), UsageCommand.Text("--name", "what invoices call it, such as VAT", required: true));
        var (percent, product) = (UsageCommand.Text("--percent", "such as 19 or 7.7", required: true), UsageCommand.Text("--product", "subscription or usage; both if absent"));
        var from = BillingCalls.Time("--from", "holds for periods that end after (default now)");
        return Changing("tax-rate", "Add a rate to the tax table; the one before it holds until then", [jurisdiction, name, percent, product, from], (client, parsed, ct) => client.SetTaxRateAsync(
            new() { Jurisdiction = parsed.GetValue(jurisdiction)!, Name = parsed.GetValue(name)!, Percent = parsed.GetValue(percent)!, Product = parsed.GetValue(product)!, From = parsed.GetValue(from) }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Numbering()
    {
        var series = UsageCommand.Text("--series", "of invoices or of credit notes, as billing is configured: INV, CN", required: true);
        var last = new Option<long>("--last") { HelpName = "NUMBER", Description = "the last number of the other system, digits alone: after 4711 the next is INV-004712", Required = true };
        return Changing("numbering", "Let numbers go on where another system stopped, before the first one is given here", [series, last],
            (client, parsed, ct) => client.ContinueNumberingAsync(new() { Series = parsed.GetValue(series)!, LastNumber = parsed.GetValue(last) }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Changing(string name, string description, Option[] options, Func<Agreements.AgreementsClient, ParseResult, CancellationToken, Task<Seller>> change)
    {
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command(name, description) { billing, json };
        foreach (var option in options) command.Add(option);
        var by = new ByOptions();
        by.AddTo(command, _ => true);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var seller = await change(new(channel), parsed, ct);
            if (parsed.GetValue(json)) Console.Out.WriteLine(JsonFormatter.Default.Format(seller));
            else Print(seller);
            return 0;
        }, by.Of(parsed)));
        return command;
    }

    private static void Print(Seller seller)
    {
        if (seller.Name.Length == 0) Console.Out.WriteLine("invoices have no head yet: billing seller describe --name … --address … --reason …");
        foreach (var line in seller.AddressLines.Prepend(seller.Name).Append(seller.TaxId).Append(seller.Email).Where(l => l.Length > 0)) Console.Out.WriteLine(line);
        if (seller.NotSubjectToVat) Console.Out.WriteLine("not subject to VAT");
        Console.Out.WriteLine($"payable within {seller.PaymentTermsDays} days");
        foreach (var series in seller.Continued) Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"numbers of {series.Series} go on after {series.LastNumber} of another system"));
        if (seller.Rates.Count == 0) return;
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in new[] { "jurisdiction", "product", "tax", "percent", "from" }) table.AddColumn(column);
        // As they count: by day, and of one day as they were said.
        foreach (var r in seller.Rates.OrderBy(r => r.Jurisdiction, StringComparer.Ordinal).ThenBy(r => r.Product, StringComparer.Ordinal).ThenBy(r => r.From.ToDateTime().Date))
            table.AddRow(r.Jurisdiction, r.Product.Length == 0 ? "both" : r.Product, Markup.Escape(r.Name), r.Percent, r.FromNow ? $"{Moment(r)} UTC, from now" : Moment(r));
        CommandLine.Output.Write(table);
        if (seller.Rates.GroupBy(r => (r.Jurisdiction, r.Product)).Any(g => g.Count() > 1)) Console.Out.WriteLine("of those that have begun for a customer the last one counts");
    }

    /// <summary>The moment of what was set from now on; else a day by each customer's clocks, and the time of day where one was said.</summary>
    private static string Moment(TaxRate rate) =>
        rate.From.ToDateTimeOffset() is var from && (rate.FromNow || from.TimeOfDay != TimeSpan.Zero) ? from.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture) : BillingCalls.Day(rate.From);
}
