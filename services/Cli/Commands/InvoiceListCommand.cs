using System.CommandLine;
using Contracts.Billing.V1;

namespace Cli.Commands;

/// <summary>billing invoice list: final invoices and what is left to pay; with --drafts those to come, with the ids to look at them and to finalize them.</summary>
internal static class InvoiceListCommand
{
    private static readonly (string Name, Func<Invoice, object> Of)[] DraftColumns =
    [
        ("invoice", i => i.InvoiceId), ("period", i => i.Period.PeriodId), ("state", i => i.PeriodStatus == "closed" ? "to finalize" : "running"), ("from", i => i.FirstDay.Length > 0 ? i.FirstDay : BillingCalls.Day(i.Period.Start)),
        ("to", i => i.LastDay.Length > 0 ? i.LastDay : BillingCalls.Day(i.Period.End)), ("subscription", i => i.SubscriptionId), ("currency", i => i.Currency), ("total", i => BillingCalls.Major(i.Currency, i.TotalMicros)),
    ];

    public static Command Create((string Name, Func<InvoiceStanding, object> Of)[] columns)
    {
        var (customer, status) = (UsageCommand.Text("--customer", "only this customer (cus_…)"), UsageCommand.Text("--status", "only finalized, overdue, paid, uncollectible or void ones"));
        var drafts = new Option<bool>("--drafts") { Description = "those that are not final: of running periods, and of closed ones that can be finalized" };
        var subscription = UsageCommand.Text("--subscription", "of drafts, only of this subscription (sub_…)");
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command("list", "Final invoices and what is left to pay; with --drafts those to come") { customer, status, drafts, subscription, billing };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            if (parsed.GetValue(drafts))
            {
                if (parsed.GetValue(status)!.Length > 0) throw new UserException("a draft has no status: leave out --status, or --drafts");
                var found = await Drafts(new(channel), parsed.GetValue(subscription)!, ct);
                shape.Print(parsed, [.. found.Where(i => parsed.GetValue(customer)!.Length == 0 || i.CustomerId == parsed.GetValue(customer))], DraftColumns);
            }
            else
            {
                if (parsed.GetValue(subscription)!.Length > 0) throw new UserException("--subscription is for --drafts; final invoices are told apart by --customer");
                shape.Print(parsed, await Final(new(channel), parsed.GetValue(customer)!, parsed.GetValue(status)!, ct), columns);
            }
            return 0;
        }));
        return command;
    }

    private static async Task<List<InvoiceStanding>> Final(Invoicing.InvoicingClient client, string customer, string status, CancellationToken ct)
    {
        var (request, found) = (new ListInvoiceStandingsRequest { CustomerId = customer, Status = status }, new List<InvoiceStanding>());
        do
        {
            var page = await client.ListInvoiceStandingsAsync(request, cancellationToken: ct);
            found.AddRange(page.Invoices);
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        return found;
    }

    private static async Task<List<Invoice>> Drafts(Contracts.Billing.V1.Billing.BillingClient client, string subscription, CancellationToken ct)
    {
        var (request, found) = (new ListInvoicesRequest { SubscriptionId = subscription, Status = InvoiceStatus.Draft }, new List<Invoice>());
        do
        {
            var page = await client.ListInvoicesAsync(request, cancellationToken: ct);
            found.AddRange(page.Invoices);
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        return found;
    }
}
