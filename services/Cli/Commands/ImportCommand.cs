using System.Collections.Concurrent;
using System.CommandLine;
using Cli.Demo;
using Cli.Imports;
using Contracts.Billing.V1;
using Google.Rpc;
using Grpc.Core;
using Spectre.Console;
using AgreementsClient = Contracts.Billing.V1.Agreements.AgreementsClient;
using BillingClient = Contracts.Billing.V1.Billing.BillingClient;
using BusinessClockClient = Contracts.Clock.V1.BusinessClock.BusinessClockClient;

namespace Cli.Commands;

/// <summary>billing import: customers from another system, with their subscriptions and credit. Nothing is done while any row is at fault.</summary>
public static class ImportCommand
{
    private const int CallsAtOnce = 8, FaultsPrinted = 50;

    public static Command Create() => new("import", "Bring customers over from another system, with their subscriptions and credit") { Customers() };

    private static Command Customers()
    {
        var file = new Argument<string>("file") { Description = $"CSV with a header, or a JSON array of objects. Columns: {string.Join(", ", CustomerImportReader.Columns)}" };
        var menu = new Option<string>("--menu") { HelpName = "MENU", Description = "menu_…, whose plans the rows name", DefaultValueFactory = _ => "" };
        var dry = new Option<bool>("--dry-run") { Description = "only name every faulty row, and say what would be done" };
        var update = new Option<bool>("--update") { Description = "write over what the file says of name, address, tax and time zone of customers that have them already; an empty cell or null takes it away" };
        var (address, json, by) = (ServiceAddress.Billing(), BillingCalls.Json(), new ByOptions());
        var command = new Command("customers", "Create customers with name, address, tax, time zone, subscription, credit and prepaid tokens; run again, it does only what is not done yet") { file, menu, dry, update, address, json };
        by.AddTo(command);
        command.SetAction((result, ct) => BillingCalls.AskAsync(result.GetValue(address)!, async channel =>
        {
            var (rows, unread) = ImportFile.Read(result.GetValue(file)!, CustomerImportReader.Columns);
            var (imports, faults) = await Check(rows, channel, result.GetValue(menu)!, result.GetValue(update), ct);
            faults = [.. unread.Concat(faults).OrderBy(f => f.Row)];
            var isDone = faults.Count == 0 && !result.GetValue(dry);
            if (isDone) faults = await Apply(imports, new(channel), new(channel), ct);
            var failed = faults.Select(f => f.Row).ToHashSet();
            var good = imports.Where(i => !failed.Contains(i.Row.Number)).ToArray();
            var all = rows.Select(r => r.Number).Union(unread.Select(f => f.Row)).Count();
            if (result.GetValue(json)) BillingCalls.Print(Figures(all, good, faults, isDone));
            else Print(all, good, faults, isDone);
            return faults.Count == 0 ? 0 : CommandLine.Faulty;
        }, by.Of(result)));
        return command;
    }

    private static async Task<(IReadOnlyList<CustomerImport> Imports, IReadOnlyList<RowFault> Faults)> Check(
        IReadOnlyList<ImportRow> rows, CallInvoker channel, string menu, bool updates, CancellationToken ct)
    {
        var there = await StoredCustomers.Load(rows, channel, updates, ct);
        // Billing's clock, by which it decides; it need not be this machine's.
        var now = (await new BusinessClockClient(channel).GetAsync(new(), cancellationToken: ct)).Now.ToDateTimeOffset();
        var terms = menu.Length == 0 ? null : await new BillingClient(channel).GetMenuTermsAsync(new() { MenuId = menu }, cancellationToken: ct);
        if (terms?.RetiredAt is not null) throw new UserException($"{menu} is off sale: name the menu that is on sale");
        var reader = new CustomerImportReader(there, terms, updates, now);
        var read = rows.Select(reader.Read).ToArray();
        return ([.. read.Where(r => r.Import is not null).Select(r => r.Import!)], [.. read.SelectMany(r => r.Faults)]);
    }

    /// <summary>Several customers at once, and the rows of each one after the other. A row that is refused does not hold up the others.</summary>
    private static async Task<IReadOnlyList<RowFault>> Apply(IReadOnlyList<CustomerImport> imports, BillingClient billing, AgreementsClient agreements, CancellationToken ct)
    {
        var faults = new ConcurrentBag<RowFault>();
        var done = 0;
        return await ProgressBar.During($"importing {imports.Count:N0} rows", async progress =>
        {
            await Parallel.ForEachAsync(imports.GroupBy(i => i.Row["reference"]), new ParallelOptions { MaxDegreeOfParallelism = CallsAtOnce, CancellationToken = ct }, async (customer, token) =>
            {
                foreach (var import in customer) await Try(import, token);
            });
            return (IReadOnlyList<RowFault>)[.. faults.OrderBy(f => f.Row)];

            async Task Try(CustomerImport import, CancellationToken token)
            {
                try
                {
                    await Apply(import, billing, agreements, token);
                }
                catch (RpcException e) when (e.GetRpcStatus()?.GetDetail<ErrorInfo>() is { } info && e.StatusCode != StatusCode.Unavailable)
                {
                    faults.Add(new(import.Row.Number, import.Row["reference"], BillingCalls.Told(e.Status.Detail, info.Reason)));
                }
                progress.Report((double)Interlocked.Increment(ref done) / imports.Count);
            }
        }, ct);
    }

    private static async Task Apply(CustomerImport import, BillingClient billing, AgreementsClient agreements, CancellationToken ct)
    {
        if (import is { IsNew: true, Customer: { } customer }) await billing.CreateCustomerAsync(customer, cancellationToken: ct);
        if (import.Details is { } details) await billing.RecordCustomerDetailsAsync(details, cancellationToken: ct);
        if (import.Tax is { } tax) await billing.SetCustomerTaxAsync(tax, cancellationToken: ct);
        if (import.TimeZone is { } zone) await billing.SetCustomerTimeZoneAsync(zone, cancellationToken: ct);
        // Credit first: a subscription's first invoice may use it.
        if (import.Credit is { IsThere: false } credit) await agreements.GrantMoneyCreditAsync(credit.Request, cancellationToken: ct);
        if (import.Prepaid is { IsThere: false } prepaid) await agreements.GrantTokenCreditAsync(prepaid.Request, cancellationToken: ct);
        if (import.Subscription is { IsThere: false } subscription) await billing.SubscribeAsync(subscription.Request, cancellationToken: ct);
    }

    private static int Created(IEnumerable<CustomerImport> imports) => imports.Count(i => i is { IsNew: true, Customer: not null });

    private static int There(IEnumerable<CustomerImport> imports) => imports.Count(i => i is { IsNew: false, Customer: not null });

    /// <summary>The requests that are done or would be, and how many are not because billing has what they ask for.</summary>
    private static (IReadOnlyList<T> New, int There) Part<T>(IEnumerable<CustomerImport> imports, Func<CustomerImport, Asked<T>?> asked)
    {
        var all = imports.Select(asked).OfType<Asked<T>>().ToArray();
        return ([.. all.Where(a => !a.IsThere).Select(a => a.Request)], all.Count(a => a.IsThere));
    }

    private static object Figures(int rows, IReadOnlyList<CustomerImport> good, IReadOnlyList<RowFault> faults, bool isDone)
    {
        var (subscriptions, credits, prepaid) = (Part(good, i => i.Subscription), Part(good, i => i.Credit), Part(good, i => i.Prepaid));
        return new
        {
            rows, done = isDone, customersCreated = Created(good), customersThere = There(good), subscriptions = subscriptions.New.Count, subscriptionsThere = subscriptions.There,
            credits = credits.New.Count, creditMicros = credits.New.Sum(c => c.AmountMicros), creditsThere = credits.There,
            prepaid = prepaid.New.Count, prepaidTokens = prepaid.New.Sum(p => (decimal)p.Tokens), prepaidThere = prepaid.There, faults,
        };
    }

    private static void Print(int rows, IReadOnlyList<CustomerImport> good, IReadOnlyList<RowFault> faults, bool isDone)
    {
        if (faults.Count > 0)
        {
            var table = InvoicePrinter.Table("row", "reference", "what is wrong");
            foreach (var f in faults.Take(FaultsPrinted)) table.AddRow($"{f.Row}", f.Reference.EscapeMarkup(), f.Problem.EscapeMarkup());
            CommandLine.Output.Write(table);
            if (faults.Count > FaultsPrinted) Console.Out.WriteLine($"and {faults.Count - FaultsPrinted:N0} more: --json names all");
        }
        var (subscriptions, credits, prepaid) = (Part(good, i => i.Subscription), Part(good, i => i.Credit), Part(good, i => i.Prepaid));
        var what = $"{Created(good):N0} customers created, {There(good):N0} there already, {subscriptions.New.Count:N0} subscriptions, {credits.New.Count:N0} credits, {prepaid.New.Count:N0} with prepaid tokens";
        if (subscriptions.There + credits.There + prepaid.There > 0) what += $"; there already: {subscriptions.There:N0} subscriptions, {credits.There:N0} credits, {prepaid.There:N0} with prepaid tokens";
        Console.Out.WriteLine(
            isDone && faults.Count == 0 ? $"{rows:N0} rows: {what}"
            : isDone ? $"{rows:N0} rows: {what}; {faults.Select(f => f.Row).Distinct().Count():N0} were refused: mend them and run it again, what is done is recognised"
            : faults.Count == 0 ? $"{rows:N0} rows are good. It would be: {what}"
            : $"nothing was imported: {faults.Select(f => f.Row).Distinct().Count():N0} of {rows:N0} rows are at fault");
    }
}
