using System.CommandLine;
using Cli.Demo;
using Contracts.Billing.V1;
using BillingClient = Contracts.Billing.V1.Billing.BillingClient;

namespace Cli.Commands;

/// <summary>billing subscription: start, change, preview, migrate, pause, resume, cancel.</summary>
public static class SubscriptionCommand
{
    public static Command Create() => new("subscription", "Subscriptions: which plan a customer has, and what changes would cost")
    {
        Start(), Show(), List(), Change(), Migrate(), Pause(), Resume(), Cancel(), Activate(), Keep(),
    };

    private static Command Start()
    {
        var customer = new Option<string>("--customer") { Description = "cus_…", Required = true };
        var (menu, plan) = (Menu(), Plan());
        var id = new Option<string>("--id") { Description = "sub_…, minted by you so that a repeat starts nothing twice; minted by billing if absent", DefaultValueFactory = _ => "" };
        var trial = CommandLine.Count("--trial-days", "N", "days without fee", 1, 366);
        var anchor = CommandLine.Count("--anchor-day", "N", "day of the month on which periods turn; the day of the start if absent", 1, 31);
        var zone = new Option<string>("--time-zone") { Description = "IANA; the customer's if absent", DefaultValueFactory = _ => "" };
        return With(new Command("start", "Subscribe a customer to a plan, now") { customer, menu, plan, id, trial, anchor, zone }, null, (result, billing, ct) => billing.SubscribeAsync(new()
        {
            SubscriptionId = result.GetValue(id)!, CustomerId = result.GetValue(customer)!, MenuId = result.GetValue(menu)!, PlanId = result.GetValue(plan)!,
            TrialDays = result.GetValue(trial) ?? 0, AnchorDay = result.GetValue(anchor) ?? 0, TimeZone = result.GetValue(zone)!,
        }, cancellationToken: ct).ResponseAsync);
    }

    private static Command Show()
    {
        var id = Id();
        return With(new Command("show", "Show a subscription") { id }, null, (result, billing, ct) =>
            billing.GetSubscriptionAsync(new() { SubscriptionId = result.GetValue(id)! }, cancellationToken: ct).ResponseAsync);
    }

    private static Command List()
    {
        var customer = new Option<string>("--customer") { Description = "cus_…; all if absent", DefaultValueFactory = _ => "" };
        var (address, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("list", "List subscriptions") { customer, address, json };
        command.SetAction((result, ct) => BillingCalls.Ask(result.GetValue(address)!, async billing =>
        {
            var subscriptions = new List<Subscription>();
            for (var token = ""; ;)
            {
                var page = await billing.ListSubscriptionsAsync(new() { CustomerId = result.GetValue(customer)!, PageSize = 1_000, PageToken = token }, cancellationToken: ct);
                subscriptions.AddRange(page.Subscriptions);
                if ((token = page.NextPageToken).Length == 0) break;
            }
            if (result.GetValue(json)) BillingCalls.Print(new { subscriptions = subscriptions.Select(SubscriptionPrinter.Json) });
            else SubscriptionPrinter.Print(subscriptions);
        }));
        return command;
    }

    private static Command Change()
    {
        var (id, plan, now) = (Id(), Plan(), Now());
        ChangePlanRequest Request(ParseResult r) => new() { SubscriptionId = r.GetValue(id)!, PlanId = r.GetValue(plan)!, When = When(r.GetValue(now)) };
        return With(
            new Command("change", "Change to another plan of the same menu, with the next period or --now") { id, plan, now },
            r => new() { Plan = Request(r) }, (r, billing, ct) => billing.ChangePlanAsync(Request(r), cancellationToken: ct).ResponseAsync);
    }

    private static Command Migrate()
    {
        var (id, menu, plan) = (Id(), Menu(), Plan());
        MigrateSubscriptionRequest Request(ParseResult r) => new() { SubscriptionId = r.GetValue(id)!, MenuId = r.GetValue(menu)!, PlanId = r.GetValue(plan)! };
        return With(
            new Command("migrate", "Move to a plan of another menu, with the next period") { id, menu, plan },
            r => new() { Migration = Request(r) }, (r, billing, ct) => billing.MigrateSubscriptionAsync(Request(r), cancellationToken: ct).ResponseAsync, isAdministrative: true);
    }

    private static Command Cancel()
    {
        var (id, now) = (Id(), Now());
        CancelSubscriptionRequest Request(ParseResult r) => new() { SubscriptionId = r.GetValue(id)!, When = When(r.GetValue(now)) };
        return With(
            new Command("cancel", "End a subscription with its period or trial, or --now") { id, now },
            r => new() { Cancellation = Request(r) }, (r, billing, ct) => billing.CancelSubscriptionAsync(Request(r), cancellationToken: ct).ResponseAsync);
    }

    private static Command Pause()
    {
        var (id, now, until) = (Id(), Now(), BillingCalls.Time("--until", "when it goes on by itself; waits to be resumed if absent"));
        PauseSubscriptionRequest Request(ParseResult r) => new() { SubscriptionId = r.GetValue(id)!, When = When(r.GetValue(now)), ResumeAt = r.GetValue(until) };
        return With(
            new Command("pause", "Let a subscription rest, from the next period or --now: no fee and no new generation until it is resumed") { id, now, until },
            r => new() { Pause = Request(r) }, (r, billing, ct) => billing.PauseSubscriptionAsync(Request(r), cancellationToken: ct).ResponseAsync);
    }

    private static Command Resume()
    {
        var id = Id();
        ResumeSubscriptionRequest Request(ParseResult r) => new() { SubscriptionId = r.GetValue(id)! };
        return With(
            new Command("resume", "End a pause now, or withdraw one that has not begun") { id },
            r => new() { Resumption = Request(r) }, (r, billing, ct) => billing.ResumeSubscriptionAsync(Request(r), cancellationToken: ct).ResponseAsync);
    }

    private static Command Activate()
    {
        var id = Id();
        ActivateSubscriptionRequest Request(ParseResult r) => new() { SubscriptionId = r.GetValue(id)! };
        return With(
            new Command("activate", "End a trial now: the fee runs from this moment") { id },
            r => new() { Activation = Request(r) }, (r, billing, ct) => billing.ActivateSubscriptionAsync(Request(r), cancellationToken: ct).ResponseAsync);
    }

    private static Command Keep()
    {
        var id = Id();
        return With(new Command("keep", "Withdraw a scheduled change, pause or cancellation") { id }, null, (r, billing, ct) =>
            billing.WithdrawScheduledChangeAsync(new() { SubscriptionId = r.GetValue(id)! }, cancellationToken: ct).ResponseAsync);
    }

    /// <summary>A command whose answer is a subscription.</summary>
    /// <param name="preview">the question what it would cost; null where it costs nothing</param>
    private static Command With(Command command, Func<ParseResult, PreviewChangeRequest>? preview, Func<ParseResult, BillingClient, CancellationToken, Task<Subscription>> ask, bool isAdministrative = false)
    {
        var (address, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var only = new Option<bool>("--preview") { Description = "only show what it would make of the invoice; nothing is changed" };
        command.Options.Add(address);
        command.Options.Add(json);
        if (preview is not null) command.Options.Add(only);
        var by = new ByOptions();
        by.AddTo(command, isAdministrative ? result => !ByOptions.Has(result, only) : null);
        command.SetAction((result, ct) => BillingCalls.Ask(result.GetValue(address)!, async billing =>
        {
            if (preview is not null && result.GetValue(only))
            {
                var answer = await billing.PreviewChangeAsync(preview(result), cancellationToken: ct);
                if (result.GetValue(json)) BillingCalls.Print(SubscriptionPrinter.Json(answer));
                else SubscriptionPrinter.Print(answer);
                return;
            }
            var subscription = await ask(result, billing, ct);
            if (result.GetValue(json)) BillingCalls.Print(SubscriptionPrinter.Json(subscription));
            else SubscriptionPrinter.Print(subscription);
        }, by.Of(result)));
        return command;
    }

    private static EffectiveWhen When(bool now) => now ? EffectiveWhen.Now : EffectiveWhen.PeriodEnd;
    private static Argument<string> Id() => new("subscription") { Description = "sub_…" };
    private static Option<string> Menu() => new("--menu") { Description = "menu_…", Required = true };
    private static Option<string> Plan() => new("--plan") { Description = "plan_…", Required = true };
    private static Option<bool> Now() => new("--now") { Description = "this moment; else with the end of the period" };
}
