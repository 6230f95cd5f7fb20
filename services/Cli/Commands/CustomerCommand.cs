using System.CommandLine;
using System.CommandLine.Parsing;
using Cli.Demo;
using Contracts.Billing.V1;
using Spectre.Console;
using BillingClient = Contracts.Billing.V1.Billing.BillingClient;

namespace Cli.Commands;

/// <summary>billing customer: who is billed, in which currency, and where for taxes.</summary>
public static class CustomerCommand
{
    public static Command Create() => new("customer", "Customers: who is billed, in which currency, and where for taxes")
    {
        New(), Show(), List(), Details(), Tax(), TimeZone(), StatementCommand.Create(), Erase(),
    };

    private static Command New()
    {
        var currency = new Option<string>("--currency") { Description = "ISO 4217, such as USD; it cannot change", Required = true };
        var reference = new Option<string>("--reference") { Description = "your own key of the customer; never personal data", DefaultValueFactory = _ => "" };
        var id = new Option<string>("--id") { Description = "cus_…, minted by you so that a repeat creates nothing twice; minted by billing if absent", DefaultValueFactory = _ => "" };
        return With(new Command("create", "Create a customer") { currency, reference, id }, (result, billing, ct) =>
            billing.CreateCustomerAsync(new() { Currency = result.GetValue(currency)!, Reference = result.GetValue(reference)!, CustomerId = result.GetValue(id)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Show()
    {
        var id = Id();
        return With(new Command("show", "Show a customer, with name and address") { id }, (result, billing, ct) =>
            billing.GetCustomerAsync(new() { CustomerId = result.GetValue(id)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command List()
    {
        var (address, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("list", "List customers, without personal data") { address, json };
        command.SetAction((result, ct) => BillingCalls.Ask(result.GetValue(address)!, async billing =>
        {
            var customers = await AllAsync(billing, ct);
            if (result.GetValue(json)) BillingCalls.Print(new { customers = customers.Select(Json) });
            else
            {
                var table = InvoicePrinter.Table("customer", "reference", "currency", "tax", "time zone", "");
                foreach (var c in customers)
                    table.AddRow(c.CustomerId.EscapeMarkup(), c.Reference.EscapeMarkup(), c.Currency, TaxOf(c).EscapeMarkup(), c.TimeZone.EscapeMarkup(), c.ErasedAt is null ? "" : "erased");
                CommandLine.Output.Write(table);
            }
        }));
        return command;
    }

    /// <summary>Every customer there is, page by page.</summary>
    internal static async Task<List<Customer>> AllAsync(BillingClient billing, CancellationToken ct)
    {
        var customers = new List<Customer>();
        for (var token = ""; ;)
        {
            var page = await billing.ListCustomersAsync(new() { PageSize = 1_000, PageToken = token }, cancellationToken: ct);
            customers.AddRange(page.Customers);
            if ((token = page.NextPageToken).Length == 0) return customers;
        }
    }

    private static Command Details()
    {
        var id = Id();
        var name = new Option<string>("--name") { Description = "as printed on invoices", Required = true };
        var lines = new Option<string[]>("--line") { Description = "a line of the address; may be given several times", DefaultValueFactory = _ => [] };
        var (email, postal, city, country, taxId) = (Text("--email", "where invoices go"), Text("--postal-code", ""), Text("--city", ""), Text("--country", "as printed; e-invoices want ISO 3166-1, such as DE"), Text("--tax-id", "as printed; e-invoices know a VAT identifier by the country in front"));
        return With(new Command("details", "Record name and address, in the place of those before; they can be erased") { id, name, lines, email, postal, city, country, taxId }, (result, billing, ct) =>
        {
            var details = new CustomerDetails
            {
                Name = result.GetValue(name)!, Email = result.GetValue(email)!, PostalCode = result.GetValue(postal)!, City = result.GetValue(city)!,
                Country = result.GetValue(country)!, TaxId = result.GetValue(taxId)!,
            };
            details.Lines.AddRange(result.GetValue(lines)!);
            return billing.RecordCustomerDetailsAsync(new() { CustomerId = result.GetValue(id)!, Details = details }, cancellationToken: ct).ResponseAsync;
        });
    }

    private static Command Tax()
    {
        var id = Id();
        var country = new Option<string>("--country") { Description = "ISO 3166-1, such as DE", Required = true };
        var region = Text("--region", "ISO 3166-2 without the country, such as CA");
        var status = new Option<string>("--status") { Description = "consumer, business (a tax identity was checked) or exempt", Required = true };
        return With(new Command("tax", "Say where a customer is taxed, and as what") { id, country, region, status }, (result, billing, ct) => billing.SetCustomerTaxAsync(
            new() { CustomerId = result.GetValue(id)!, Tax = new() { Country = result.GetValue(country)!, Region = result.GetValue(region)!, Status = result.GetValue(status)! } },
            cancellationToken: ct).ResponseAsync);
    }

    private static Command TimeZone()
    {
        var id = Id();
        var zone = new Argument<string>("zone") { Description = "IANA, such as Europe/Berlin" };
        return With(new Command("timezone", "Say by whose midnight periods turn, for subscriptions that start from now on") { id, zone }, (result, billing, ct) =>
            billing.SetCustomerTimeZoneAsync(new() { CustomerId = result.GetValue(id)!, TimeZone = result.GetValue(zone)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Erase()
    {
        var id = Id();
        var sure = new Option<bool>("--yes") { Description = "there is no way back" };
        return With(new Command("erase", "Delete name and address for good; invoices stay and still replay") { id, sure }, (result, billing, ct) => result.GetValue(sure)
            ? billing.EraseCustomerAsync(new() { CustomerId = result.GetValue(id)! }, cancellationToken: ct).ResponseAsync
            : throw new UserException($"erasing cannot be undone; if that is meant: billing customer erase {result.GetValue(id)} --yes --reason …"), result => ByOptions.Has(result, sure));
    }

    /// <summary>A command whose answer is a customer.</summary>
    private static Command With(Command command, Func<ParseResult, BillingClient, CancellationToken, Task<Customer>> ask, Func<CommandResult, bool>? needsReason = null)
    {
        var (address, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        command.Options.Add(address);
        command.Options.Add(json);
        var by = new ByOptions();
        by.AddTo(command, needsReason);
        command.SetAction((result, ct) => BillingCalls.Ask(result.GetValue(address)!, async billing =>
        {
            var customer = await ask(result, billing, ct);
            if (result.GetValue(json)) BillingCalls.Print(Json(customer));
            else Print(customer);
        }, by.Of(result)));
        return command;
    }

    private static void Print(Customer c)
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = false }.AddColumns("", "");
        void Row(string name, string value) { if (value.Length > 0) table.AddRow($"[dim]{name}[/]", value.EscapeMarkup()); }
        Row("customer", c.CustomerId);
        Row("reference", c.Reference);
        Row("currency", c.Currency);
        Row("created", c.CreatedAt.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm 'UTC'"));
        Row("time zone", c.TimeZone);
        Row("tax", TaxOf(c));
        if (c.Details is { } d)
        {
            Row("name", d.Name);
            Row("email", d.Email);
            Row("address", string.Join(", ", new[] { string.Join(", ", d.Lines), $"{d.PostalCode} {d.City}".Trim(), d.Country }.Where(part => part.Length > 0)));
            Row("tax id", d.TaxId);
        }
        Row("details SHA-256", c.DetailsSha256);
        if (c.ErasedAt is { } erased) Row("erased", erased.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm 'UTC'"));
        CommandLine.Output.Write(table);
    }

    private static object Json(Customer c) => new
    {
        c.CustomerId, c.Currency, c.Reference, createdAt = c.CreatedAt.ToDateTimeOffset(), c.TimeZone,
        tax = c.Tax is { } t ? new { t.Country, t.Region, t.Status } : null, c.DetailsSha256,
        details = c.Details is { } d ? new { d.Name, d.Email, lines = d.Lines.ToArray(), d.PostalCode, d.City, d.Country, d.TaxId } : null,
        erasedAt = c.ErasedAt?.ToDateTimeOffset(),
    };

    private static string TaxOf(Customer c) => c.Tax is { } t ? $"{t.Country}{(t.Region.Length > 0 ? "-" + t.Region : "")}, {t.Status}" : "";

    private static Argument<string> Id() => new("customer") { Description = "cus_…" };

    private static Option<string> Text(string name, string description) => new(name) { Description = description, DefaultValueFactory = _ => "" };
}
