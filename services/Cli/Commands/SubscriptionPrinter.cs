using Cli.Demo;
using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Spectre.Console;

namespace Cli.Commands;

/// <summary>Subscriptions, and what a change would make of an invoice, for people and for programs.</summary>
public static class SubscriptionPrinter
{
    public static void Print(Subscription s)
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = false }.AddColumns("", "");
        void Row(string name, string value) { if (value.Length > 0) table.AddRow($"[dim]{name}[/]", value.EscapeMarkup()); }
        Row("subscription", s.SubscriptionId);
        Row("status", StatusOf(s));
        Row("customer", s.CustomerId);
        Row("menu", s.MenuId);
        Row("plan", s.PlanId);
        Row("this period", $"{Time(s.CurrentPeriod.Start)} to {Time(s.CurrentPeriod.End)}, {s.CurrentPeriod.PeriodId}");
        Row("next period", $"to {Time(s.NextPeriod.End)}, {s.NextPeriod.PeriodId}");
        if (s.AnchorDay > 0) Row("turns", $"at midnight of day {s.AnchorDay} in {s.TimeZone}");
        CommandLine.Output.Write(table);
    }

    public static void Print(IEnumerable<Subscription> subscriptions)
    {
        var table = InvoicePrinter.Table("subscription", "status", "customer", "plan", "period ends");
        foreach (var s in subscriptions) table.AddRow(s.SubscriptionId, StatusOf(s).EscapeMarkup(), s.CustomerId, s.PlanId, Time(s.CurrentPeriod.End));
        CommandLine.Output.Write(table);
    }

    public static void Print(PreviewChangeResponse preview)
    {
        var currency = Kernel.Currency.Parse(preview.After.Currency);
        foreach (var (title, invoice) in new[] { ("if nothing changes", preview.Before), ("if it does", preview.After) })
        {
            var table = InvoicePrinter.Table(title, "tokens", $"amount, {currency.Code}");
            table.Columns[1].RightAligned();
            table.Columns[2].RightAligned();
            foreach (var line in invoice.Lines)
                table.AddRow(line.Description.EscapeMarkup(), line.TokenKind.Length == 0 ? "" : $"{line.Tokens:N0}", new Micros(line.AmountMicros).ToMajorUnits(currency));
            table.AddRow("[bold]Total[/]", "", $"[bold]{new Micros(invoice.TotalMicros).ToMajorUnits(currency)}[/]");
            CommandLine.Output.Write(table);
        }
        var difference = new Micros(preview.DifferenceMicros).ToMajorUnits(currency);
        CommandLine.Output.MarkupLineInterpolated(
            $"From {Time(preview.EffectiveAt)}, the invoice of {Time(preview.After.Period.Start)} to {Time(preview.After.Period.End)} changes by {difference} {currency.Code}, with usage so far. Nothing was changed.");
    }

    public static object Json(Subscription s) => new
    {
        s.SubscriptionId, s.Version, s.CustomerId, s.Status, s.MenuId, s.PlanId, currentPeriod = Json(s.CurrentPeriod), nextPeriod = Json(s.NextPeriod),
        trialEnd = s.TrialEnd?.ToDateTimeOffset(), cancelledAt = s.CancelledAt?.ToDateTimeOffset(),
        scheduled = s.Scheduled is { } c ? new { effectiveAt = c.EffectiveAt.ToDateTimeOffset(), c.Cancels, c.MenuId, c.PlanId } : null,
        pause = s.Pause is { } p ? new { from = p.From.ToDateTimeOffset(), resumeAt = p.ResumeAt?.ToDateTimeOffset() } : null, s.AnchorDay, s.TimeZone,
    };

    public static object Json(PreviewChangeResponse p) => new
    {
        effectiveAt = p.EffectiveAt.ToDateTimeOffset(), differenceMicros = p.DifferenceMicros, before = Json(p.Before), after = Json(p.After),
    };

    private static object Json(BillingPeriod p) => new { p.PeriodId, p.Number, start = p.Start.ToDateTimeOffset(), end = p.End.ToDateTimeOffset() };

    private static object Json(Invoice i) => new
    {
        i.InvoiceId, period = Json(i.Period), i.Currency, i.TotalMicros,
        lines = i.Lines.Select(l => new { l.Kind, l.Description, l.PlanId, l.TokenKind, l.Tokens, l.AmountMicros, l.AboutPeriodId }),
    };

    private static string StatusOf(Subscription s) => s switch
    {
        { CancelledAt: { } at } => $"cancelled {Time(at)}",
        { Scheduled: { Cancels: true } c } => $"{Resting(s)}, ends {Time(c.EffectiveAt)}",
        { Scheduled: { } c } => $"{Resting(s)}, changes to {c.PlanId} {Time(c.EffectiveAt)}",
        { Status: "trialing", TrialEnd: { } end } => $"trial until {Time(end)}",
        _ => Resting(s),
    };

    private static string Resting(Subscription s) => s.Pause is { } pause
        ? $"{(s.Status == "paused" ? "paused since" : $"{s.Status}, pauses")} {Time(pause.From)}{(pause.ResumeAt is { } until ? $" until {Time(until)}" : "")}"
        : s.Status;

    private static string Time(Timestamp at) => at.ToDateTimeOffset() is { TimeOfDay.Ticks: 0 } midnight ? midnight.ToString("yyyy-MM-dd") : at.ToDateTimeOffset().ToString("yyyy-MM-dd HH:mm 'UTC'");
}
