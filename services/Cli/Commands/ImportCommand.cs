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
            if (isDone && imports.Any(i => i is { Credit.IsThere: false } or { Prepaid.IsThere: false })) ByOptions.DemandReason(result);
            var failed = faults.Select(f => f.Row).ToHashSet();
            var counts = isDone ? new() : ImportCounts.Of(imports.Where(i => !failed.Contains(i.Row.Number)));
            var all = rows.Select(r => r.Number).Union(unread.Select(f => f.Row)).Count();
            var refused = new ConcurrentBag<RowFault>();
            try
            {
                if (isDone) await Apply(imports, counts, refused, new(channel), new(channel), ct);
            }
            catch (Exception e) when (e is RpcException or OperationCanceledException)
            {
                // The repeat counts only the rest.
                if (result.GetValue(json)) BillingCalls.Print(Figures(all, counts, Ordered(refused), isDone: false));
                else PrintBroken(all, counts, Ordered(refused));
                throw;
            }
            if (isDone) faults = Ordered(refused);
            if (result.GetValue(json)) BillingCalls.Print(Figures(all, counts, faults, isDone));
            else Print(all, counts, faults, isDone);
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
        var read = rows.Select(row => (Row: row, Read: reader.Read(row))).ToArray();
        return ([.. read.Select(r => r.Read.Import).OfType<CustomerImport>()], [.. read.SelectMany(r => r.Read.Faults.Where(f => !r.Row.IsOfNested(f.Problem)))]);
    }

    /// <summary>Several customers at once, and the rows of each one after the other. A row that is refused does not hold up the others.</summary>
    private static async Task Apply(IReadOnlyList<CustomerImport> imports, ImportCounts counts, ConcurrentBag<RowFault> refused, BillingClient billing, AgreementsClient agreements, CancellationToken ct)
    {
        var done = 0;
        await ProgressBar.During($"importing {imports.Count:N0} rows", async progress =>
        {
            await Parallel.ForEachAsync(imports.GroupBy(i => i.Row["reference"]), new ParallelOptions { MaxDegreeOfParallelism = CallsAtOnce, CancellationToken = ct }, async (customer, token) =>
            {
                foreach (var import in customer) await Try(import, token);
            });
            return done;

            async Task Try(CustomerImport import, CancellationToken token)
            {
                try
                {
                    await Apply(import, counts, billing, agreements, token);
                }
                catch (RpcException e) when (e.GetRpcStatus()?.GetDetail<ErrorInfo>() is { } info && e.StatusCode != StatusCode.Unavailable)
                {
                    refused.Add(new(import.Row.Number, import.Row["reference"], BillingCalls.Told(e.Status.Detail, info.Reason)));
                }
                progress.Report((double)Interlocked.Increment(ref done) / imports.Count);
            }
        }, ct);
    }

    /// <summary>Each part counts when billing has it, whatever becomes of those after it.</summary>
    private static async Task Apply(CustomerImport import, ImportCounts counts, BillingClient billing, AgreementsClient agreements, CancellationToken ct)
    {
        if (import is { IsNew: true, Customer: { } customer }) await billing.CreateCustomerAsync(customer, cancellationToken: ct);
        if (import.Customer is not null) counts.Customer(import.IsNew);
        if (import.Details is { } details) await billing.RecordCustomerDetailsAsync(details, cancellationToken: ct);
        if (import.Tax is { } tax) await billing.SetCustomerTaxAsync(tax, cancellationToken: ct);
        if (import.TimeZone is { } zone) await billing.SetCustomerTimeZoneAsync(zone, cancellationToken: ct);
        // Credit first: a subscription's first invoice may use it.
        if (import.Credit is { } credit)
        {
            if (!credit.IsThere) await agreements.GrantMoneyCreditAsync(credit.Request, cancellationToken: ct);
            counts.Credit(credit, import.Currency);
        }
        if (import.Prepaid is { } prepaid)
        {
            if (!prepaid.IsThere) await agreements.GrantTokenCreditAsync(prepaid.Request, cancellationToken: ct);
            counts.Tokens(prepaid);
        }
        if (import.Subscription is { } subscription)
        {
            if (!subscription.IsThere) await billing.SubscribeAsync(subscription.Request, cancellationToken: ct);
            counts.Subscription(subscription);
        }
    }

    private static IReadOnlyList<RowFault> Ordered(IEnumerable<RowFault> faults) => [.. faults.OrderBy(f => f.Row)];

    private static object Figures(int rows, ImportCounts counts, IReadOnlyList<RowFault> faults, bool isDone) => new
    {
        rows, done = isDone, counts.CustomersCreated, counts.CustomersThere, subscriptions = counts.Subscriptions.New, subscriptionsThere = counts.Subscriptions.There,
        credits = counts.Credits.New, counts.CreditMicros, creditsThere = counts.Credits.There,
        prepaid = counts.Prepaid.New, counts.PrepaidTokens, prepaidThere = counts.Prepaid.There, faults,
    };

    private static void Print(int rows, ImportCounts counts, IReadOnlyList<RowFault> faults, bool isDone)
    {
        PrintFaults(faults);
        var what = Said(counts);
        Console.Out.WriteLine(
            isDone && faults.Count == 0 ? $"{rows:N0} rows: {what}"
            : isDone ? $"{rows:N0} rows: {what}; {faults.Select(f => f.Row).Distinct().Count():N0} were refused, though not all that they ask for: mend them and run it again, what is done is recognised"
            : faults.Count == 0 ? $"{rows:N0} rows are good. It would be: {what}"
            : $"nothing was imported: {faults.Select(f => f.Row).Distinct().Count():N0} of {rows:N0} rows are at fault");
    }

    /// <summary>Of calls whose answers did not come nobody knows whether billing did what they asked.</summary>
    private static void PrintBroken(int rows, ImportCounts counts, IReadOnlyList<RowFault> faults)
    {
        PrintFaults(faults);
        Console.Out.WriteLine($"it broke off. Of {rows:N0} rows billing confirmed: {Said(counts)}; what was on its way may be done too. Run it again, what is done is recognised");
    }

    private static void PrintFaults(IReadOnlyList<RowFault> faults)
    {
        if (faults.Count > 0)
        {
            var table = InvoicePrinter.Table("row", "reference", "what is wrong");
            foreach (var f in faults.Take(FaultsPrinted)) table.AddRow($"{f.Row}", f.Reference.EscapeMarkup(), f.Problem.EscapeMarkup());
            CommandLine.Output.Write(table);
            if (faults.Count > FaultsPrinted) Console.Out.WriteLine($"and {faults.Count - FaultsPrinted:N0} more: --json names all");
        }
    }

    private static string Said(ImportCounts counts)
    {
        var (subscriptions, credits, prepaid) = (counts.Subscriptions, counts.Credits, counts.Prepaid);
        var what = $"{counts.CustomersCreated:N0} customers created, {counts.CustomersThere:N0} there already, {subscriptions.New:N0} subscriptions, {credits.New:N0} credits, {prepaid.New:N0} with prepaid tokens";
        if (subscriptions.There + credits.There + prepaid.There > 0) what += $"; there already: {subscriptions.There:N0} subscriptions, {credits.There:N0} credits, {prepaid.There:N0} with prepaid tokens";
        return what;
    }
}
