using System.CommandLine;
using System.Globalization;
using Billing.Rating;
using Cli.Demo;
using Contracts.Billing.V1;
using Grpc.Core;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>billing audit what-if: past periods by another menu, other fees, other taxes or another version of rating. Nothing is written.</summary>
public static class AuditWhatIfCommand
{
    public static Command Create()
    {
        var (from, to) = (BillingCalls.Time("--from", "periods that start at or after"), BillingCalls.Time("--to", "and before"));
        var subscription = new Option<string>("--subscription") { Description = "one subscription (sub_…); all if absent", DefaultValueFactory = _ => "" };
        var menu = new Option<string>("--menu") { Description = "rate by this menu (menu_…); plans are found by --plan, else by their name", DefaultValueFactory = _ => "" };
        var plans = new Option<string[]>("--plan") { HelpName = "PLAN=PLAN", Description = "the plan of the other menu that stands for one that was subscribed to" };
        var fees = new Option<string[]>("--fee") { HelpName = "PLAN=AMOUNT", Description = "another period fee, in major units" };
        var taxes = new Option<string[]>("--tax") { HelpName = "JURISDICTION=PERCENT", Description = "another tax rate, such as DE=16" };
        var rating = new Option<int>("--rating") { HelpName = "VERSION", Description = $"{string.Join(", ", RatingVersions.InWords.Select((words, i) => $"{i + 1} {words}"))}; that of the invoice if absent" };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("what-if", "Show what final invoices would have been by other terms; nothing is written") { from, to, subscription, menu, plans, fees, taxes, rating, billing, json };
        command.SetAction((result, ct) => BillingCalls.AskAsync(result.GetValue(billing)!, async channel =>
        {
            var request = new WhatIfRequest
            {
                From = result.GetValue(from), To = result.GetValue(to), SubscriptionId = result.GetValue(subscription), MenuId = result.GetValue(menu), RatingVersion = result.GetValue(rating),
            };
            request.Plans.AddRange(Pairs("--plan", result.GetValue(plans)).Select(p => new PlanInstead { PlanId = p.Name, InsteadPlanId = p.Value }));
            request.Fees.AddRange(Pairs("--fee", result.GetValue(fees)).Select(p => new FeeInstead { PlanId = p.Name, PeriodFeeMicros = MicrosOf(p.Value) }));
            request.TaxRates.AddRange(Pairs("--tax", result.GetValue(taxes)).Select(p => new TaxRateInstead { Jurisdiction = p.Name, Name = "Tax", Percent = p.Value }));
            using var call = new Audit.AuditClient(channel).WhatIf(request, cancellationToken: ct);
            var invoices = await call.ResponseStream.ReadAllAsync(ct).ToListAsync(ct);
            if (result.GetValue(json))
                BillingCalls.Print(new
                {
                    invoices = invoices.Select(i => new { i.InvoiceId, i.Number, i.SubscriptionId, i.PeriodId, i.Currency, i.IssuedMicros, i.WouldBeMicros, i.Fault }),
                    totals = Totals(invoices).Select(t => new { t.Currency, issuedMicros = t.Issued.Value, wouldBeMicros = t.WouldBe.Value }),
                });
            else Print(invoices);
            return invoices.Any(i => i.Fault.Length > 0) ? 1 : 0;
        }));
        return command;
    }

    private static void Print(IReadOnlyCollection<WouldBeInvoice> invoices)
    {
        var table = InvoicePrinter.Table("invoice", "subscription", "period from", "issued", "would be", "difference", "");
        for (var i = 3; i < 6; i++) table.Columns[i].RightAligned();
        foreach (var i in invoices.Where(i => i.Fault.Length == 0)) Row(i.Number, i.SubscriptionId, BillingCalls.Day(i.PeriodStart), new(i.IssuedMicros), new(i.WouldBeMicros), Kernel.Currency.Parse(i.Currency));
        foreach (var t in Totals(invoices)) Row("total", "", "", t.Issued, t.WouldBe, Kernel.Currency.Parse(t.Currency));
        CommandLine.Output.Write(table);
        foreach (var i in invoices.Where(i => i.Fault.Length > 0)) Console.Out.WriteLine($"{i.Number} ({i.InvoiceId}) cannot be rated: {i.Fault}");
        Console.Out.WriteLine("Nothing was changed.");

        void Row(string number, string subscription, string from, Micros issued, Micros wouldBe, Kernel.Currency currency) => table.AddRow(
            number.EscapeMarkup(), subscription, from, issued.ToMajorUnits(currency), wouldBe.ToMajorUnits(currency), (wouldBe - issued).ToMajorUnits(currency), currency.Code);
    }

    private static IEnumerable<(string Currency, Micros Issued, Micros WouldBe)> Totals(IEnumerable<WouldBeInvoice> invoices) => invoices.Where(i => i.Fault.Length == 0).GroupBy(i => i.Currency)
        .Select(g => (g.Key, Micros.Sum(g.Select(i => new Micros(i.IssuedMicros))), Micros.Sum(g.Select(i => new Micros(i.WouldBeMicros)))));

    private static IEnumerable<(string Name, string Value)> Pairs(string option, string[]? given)
    {
        foreach (var text in given ?? [])
        {
            var at = text.IndexOf('=', StringComparison.Ordinal);
            if (at < 1 || at == text.Length - 1) throw new UserException($"{option} {text} is not NAME=VALUE");
            yield return (text[..at], text[(at + 1)..]);
        }
    }

    private static long MicrosOf(string amount) =>
        Inputs.TryAmount(amount, out var micros) ? micros : throw new UserException($"--fee {amount} is not an amount such as 12.50");
}
