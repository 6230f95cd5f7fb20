using System.Globalization;
using System.Text.Json;
using Billing.Audit;
using Billing.Customers;
using Billing.Invoices;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Subscriptions;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using V1 = Contracts.Billing.V1;

namespace Billing.Host;

/// <summary>The forms in which billing answers over gRPC.</summary>
public static class Wire
{
    public static HistoryPoint Point(V1.HistoryPoint? point) => point?.PointCase switch
    {
        V1.HistoryPoint.PointOneofCase.Time => new(Time: point.Time.ToTime("time")),
        V1.HistoryPoint.PointOneofCase.Sequence when point.Sequence < 1 => throw new FormatException("events are counted from 1"),
        V1.HistoryPoint.PointOneofCase.Sequence => new(Sequence: point.Sequence),
        _ => default,
    };

    public static V1.Subscription Subscription(string id, SubscriptionState.Known known, MenuTerms menu)
    {
        var s = SubscriptionSnapshot.Of(id, known, menu);
        var subscription = new V1.Subscription
        {
            SubscriptionId = s.SubscriptionId, Version = s.Version, CustomerId = s.CustomerId, Status = s.Status, MenuId = s.MenuId, PlanId = s.PlanId,
            CurrentPeriod = Period(s.CurrentPeriod), NextPeriod = Period(s.NextPeriod), ChangedAt = s.ChangedAt.ToTimestamp(),
            TrialEnd = known.TrialEnd?.ToTimestamp(), CancelledAt = known.CancelledAt?.ToTimestamp(),
            AnchorDay = known.Anchor?.DayOfMonth ?? 0, TimeZone = known.Anchor?.TimeZone ?? "",
            StartedAt = known.StartedAt.ToTimestamp(), StartedPlanId = known.Plans[0], StartedTrialEnd = (known.StartedTrialEnd ?? known.TrialEnd)?.ToTimestamp(),
        };
        if (known.Scheduled is { } c)
            subscription.Scheduled = new() { EffectiveAt = c.EffectiveAt.ToTimestamp(), Cancels = c.Cancels, MenuId = c.MenuId, PlanId = c.PlanId };
        if (known.Pause is { } p) subscription.Pause = new() { From = p.From.ToTimestamp(), ResumeAt = p.ResumeAt?.ToTimestamp() };
        subscription.Caps.AddRange(s.Caps.Select(Cap));
        subscription.Models.AddRange(s.Models);
        return subscription;
    }

    /// <param name="details">only where they were asked for: what is answered to a change is kept with its idempotency-key, for ever</param>
    public static V1.Customer Customer(string id, CustomerState.Known k, CustomerDetails? details = null)
    {
        var customer = new V1.Customer
        {
            CustomerId = id, Currency = k.Currency.Code, Reference = k.Reference, CreatedAt = k.CreatedAt.ToTimestamp(), TimeZone = k.TimeZone,
            DetailsSha256 = k.DetailsSha256, ErasedAt = k.ErasedAt?.ToTimestamp(),
        };
        if (k.Tax is { } tax) customer.Tax = new() { Country = tax.Country, Region = tax.Region, Status = NameOf(tax.Status) };
        if (details is null) return customer;
        customer.Details = new()
        {
            Name = details.Name, Email = details.Email, PostalCode = details.PostalCode, City = details.City, Country = details.Country, TaxId = details.TaxId,
        };
        customer.Details.Lines.AddRange(details.Lines);
        return customer;
    }

    /// <returns>null where nothing is said</returns>
    /// <exception cref="FormatException">It is no day of the calendar.</exception>
    public static DateOnly? ParseDay(string text, string field) =>
        text.Length == 0 ? null
        : DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? day
        : throw new FormatException($"{field} '{text}' is not a day such as 2026-01-31");

    public static CustomerDetails Details(V1.CustomerDetails? d) => d is null
        ? throw new FormatException("details is missing: expected at least a name")
        : new(d.Name, d.Email, d.Lines.ToValueList(), d.PostalCode, d.City, d.Country, d.TaxId);

    public static TaxStatus ParseTaxStatus(string name) => System.Enum.GetValues<TaxStatus>().Where(s => NameOf(s) == name).Select(s => (TaxStatus?)s).FirstOrDefault()
        ?? throw new FormatException($"'{name}' is not one of {string.Join(", ", System.Enum.GetValues<TaxStatus>().Select(NameOf))}");

    public static EffectiveTime When(V1.EffectiveWhen when) => when switch
    {
        V1.EffectiveWhen.Now => EffectiveTime.Now,
        V1.EffectiveWhen.PeriodEnd => EffectiveTime.PeriodEnd,
        _ => throw new FormatException("when must be NOW or PERIOD_END"),
    };

    private static string NameOf(TaxStatus status) => status switch
    {
        TaxStatus.Consumer => "consumer",
        TaxStatus.Business => "business",
        TaxStatus.Exempt => "exempt",
    };

    public static V1.MenuTerms Menu(MenuState.Received menu)
    {
        var m = menu.Terms;
        var terms = new V1.MenuTerms { MenuId = m.MenuId, Currency = m.Currency.Code, RetiredAt = menu.Withdrawal is { } w ? Timestamp.FromDateTimeOffset(w.At) : null };
        foreach (var p in m.Plans)
        {
            var plan = new V1.PlanTerms { PlanId = p.PlanId, Name = p.Name, PeriodFeeMicros = p.PeriodFeeMicros.Value };
            plan.Caps.AddRange(p.Caps.Select(Cap));
            plan.Overage.AddRange(p.Overage.Select(Price));
            terms.Plans.Add(plan);
        }
        return terms;
    }

    private static V1.OveragePrice Price(OveragePrice o)
    {
        var price = new V1.OveragePrice { Kind = o.Kind.Name(), PerMillionTokens = o.PerMillionTokens.ToString(), Model = o.Model switch { PriceModel.PerUnit => "per_unit", PriceModel.Graduated => "graduated", PriceModel.Volume => "volume", PriceModel.Package => "package" } };
        price.Tiers.AddRange((o.Tiers ?? []).Select(t => new V1.PriceTier { UpTo = t.UpTo ?? 0, PerMillionTokens = t.PerMillionTokens.ToString() }));
        if (o.Package is { } p) (price.PerMillionTokens, price.PackageTokens, price.PackagePriceMicros) = ("", p.Tokens, p.PriceMicros.Value);
        return price;
    }

    public static V1.Invoice Draft(PeriodFacts facts, RatingTerms terms, string periodStatus = "")
    {
        var json = InvoiceDocument.Draft(facts, terms).ToUtf8();
        var invoice = Invoice(System.Text.Encoding.UTF8.GetString(json), V1.InvoiceStatus.Draft);
        invoice.PeriodStatus = periodStatus;
        return invoice;
    }

    public static V1.Invoice Final(StoredInvoice stored)
    {
        var invoice = Invoice(stored.Document, V1.InvoiceStatus.Finalized);
        invoice.DocumentSha256 = ByteString.CopyFrom(Convert.FromHexString(stored.DocumentSha256));
        invoice.FinalizedAt = stored.FinalizedAt.ToTimestamp();
        return invoice;
    }

    /// <summary>What is answered is read from the document itself, so that the two cannot say different things.</summary>
    private static V1.Invoice Invoice(string document, V1.InvoiceStatus status)
    {
        using var json = JsonDocument.Parse(document);
        var root = json.RootElement;
        var period = root.GetProperty("period");
        var invoice = new V1.Invoice
        {
            InvoiceId = Text(root, "invoiceId"), Number = Text(root, "number"), Status = status, CustomerId = Text(root, "customerId"),
            SubscriptionId = Text(root, "subscriptionId"), Currency = Text(root, "currency"), TotalMicros = root.GetProperty("totalMicros").GetInt64(), Document = document,
            FirstDay = Text(period, "firstDay"), LastDay = Text(period, "lastDay"), TimeZone = Text(period, "timeZone"),
            Period = new()
            {
                PeriodId = Text(period, "id"), Number = period.GetProperty("number").GetInt32(),
                Start = period.GetProperty("start").GetDateTimeOffset().ToTimestamp(), End = period.GetProperty("end").GetDateTimeOffset().ToTimestamp(),
            },
        };
        invoice.Lines.AddRange(root.GetProperty("lines").EnumerateArray().Select(l => new V1.InvoiceLine
        {
            Kind = Text(l, "kind"), Description = Text(l, "description"), PlanId = Text(l, "planId"), TokenKind = Text(l, "tokenKind"),
            Tokens = l.TryGetProperty("tokens", out var tokens) ? tokens.GetInt64() : 0, AmountMicros = l.GetProperty("amountMicros").GetInt64(), AboutPeriodId = Text(l, "aboutPeriodId"),
        }));
        return invoice;
    }

    private static string Text(JsonElement e, string name) => e.TryGetProperty(name, out var text) ? text.GetString()! : "";

    private static V1.Cap Cap(Cap c)
    {
        var cap = new V1.Cap { Window = c.Window.Name(), Tokens = c.Tokens, Enforcement = c.Enforcement.Name() };
        cap.Counts.AddRange(c.Counts.Select(k => k.Name()));
        return cap;
    }

    private static V1.BillingPeriod Period(PeriodSpan p) => new() { PeriodId = p.PeriodId, Number = p.Number, Start = p.Start.ToTimestamp(), End = p.End.ToTimestamp() };
}
