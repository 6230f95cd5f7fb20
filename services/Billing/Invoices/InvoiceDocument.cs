using System.Text.Json;
using Billing.Accounts;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;
using Billing.Sellers;

namespace Billing.Invoices;

/// <summary>
/// The invoice as one canonical JSON text: properties in a fixed order, no white space, amounts in micros as whole numbers, prices
/// as decimal strings, times as ISO 8601 in UTC. The same facts give the same bytes, on any machine and in any year. Invoices that
/// are older than terms have the first format for ever.
/// </summary>
/// <param name="Number">empty while a draft</param>
/// <param name="HasTerms">written in the second format: seller, products, tax, due date</param>
public sealed record InvoiceDocument(PeriodFacts Facts, MenuTerms Menu, RatedInvoice Rated, string Number, DateTimeOffset? FinalizedAt, bool HasTerms)
{
    public const string FormatWithoutTerms = "invoice/1", Format = "invoice/2";

    public SellerNamed? Seller { get; init; }
    public int PaymentTermsDays { get; init; }
    public DateTimeOffset? DueAt { get; init; }

    public string InvoiceId => InvoiceIds.Of(Facts.PeriodId);
    public Currency Currency => Menu.Currency;

    public static InvoiceDocument Draft(PeriodFacts facts, RatingTerms terms) =>
        new(facts, terms.Menus[facts.MenuId], InvoiceRating.Rate(facts, terms), "", null, HasTerms: true) 
        {
            Seller = terms.Seller.Seller, PaymentTermsDays = terms.Seller.PaymentTermsDays,
        };

    /// <param name="cut">says by which rules the invoice is rated; null for one that is older than terms</param>
    /// <param name="at">when it was finalized, where there is no cut to say it</param>
    public static InvoiceDocument Finalized(PeriodFacts facts, RatingTerms terms, string number, InvoiceTermsCut? cut, DateTimeOffset at = default) => cut is { } c
        ? Draft(facts, terms with { RatingVersion = c.RatingVersion ?? RatingVersions.PublishedOrder }) with { Number = number, FinalizedAt = c.At, DueAt = c.DueAt }
        : new(facts, terms.Menus[facts.MenuId], InvoiceRating.Rate(facts, RatingTerms.Of(terms.Menus) with { RatingVersion = RatingVersions.PlansAlone }), number, at, HasTerms: false);

    public byte[] ToUtf8() => CanonicalJson.Write(Write);

    private void Write(Utf8JsonWriter json)
    {
        json.WriteString("format", HasTerms ? Format : FormatWithoutTerms);
        json.WriteString("invoiceId", InvoiceId);
        json.WriteString("number", Number);
        json.WriteString("status", FinalizedAt is null ? "draft" : "finalized");
        if (Seller is { } seller) Write(json, seller, PaymentTermsDays);
        json.WriteString("customerId", Facts.CustomerId);
        if (Facts.CustomerDetailsSha256.Length > 0) json.WriteString("customerDetailsSha256", Facts.CustomerDetailsSha256);
        json.WriteString("subscriptionId", Facts.SubscriptionId);
        json.WriteStartObject("period");
        json.WriteString("id", Facts.PeriodId);
        json.WriteNumber("number", Facts.Number);
        json.WriteString("start", CanonicalJson.Time(Facts.Start));
        json.WriteString("end", CanonicalJson.Time(Facts.End));
        if (Facts.LocalTime is { } local)
        {
            json.WriteString("timeZone", local.TimeZone);
            json.WriteString("firstDay", InvoiceRating.Day(local.At(Facts.Start)));
            json.WriteString("lastDay", InvoiceRating.Day(Facts.LastMoment()));
        }
        json.WriteEndObject();
        json.WriteString("menuId", Facts.MenuId);
        json.WriteString("planId", Facts.PlanId);
        json.WriteString("currency", Currency.Code);
        json.WriteStartArray("lines");
        foreach (var line in Rated.Lines) Write(json, line);
        json.WriteEndArray();
        if (HasTerms)
        {
            json.WriteNumber("netMicros", Rated.NetMicros.Value);
            json.WriteNumber("taxMicros", Rated.TaxMicros.Value);
        }
        json.WriteNumber("totalMicros", Rated.TotalMicros.Value);
        if (FinalizedAt is { } at) json.WriteString("finalizedAt", CanonicalJson.Time(at));
        if (DueAt is { } due) json.WriteString("dueAt", CanonicalJson.Time(due));
    }

    private static void Write(Utf8JsonWriter json, SellerNamed seller, int paymentTermsDays)
    {
        json.WriteStartObject("seller");
        json.WriteString("name", seller.Name);
        json.WriteStartArray("addressLines");
        foreach (var line in seller.AddressLines) json.WriteStringValue(line);
        json.WriteEndArray();
        if (seller.Country is { } country) json.WriteString("country", country);
        json.WriteString("taxId", seller.TaxId);
        if (seller.NotSubjectToVat) json.WriteBoolean("notSubjectToVat", true);
        json.WriteString("email", seller.Email);
        json.WriteString("paymentInstructions", seller.PaymentInstructions);
        json.WriteNumber("paymentTermsDays", paymentTermsDays);
        json.WriteEndObject();
    }

    private void Write(Utf8JsonWriter json, InvoiceLine line)
    {
        json.WriteStartObject();
        json.WriteString("kind", line.Kind);
        json.WriteString("description", line.Description);
        json.WriteString("planId", line.PlanId);
        if (line.TokenKind is { } kind)
        {
            json.WriteString("tokenKind", kind.Name());
            json.WriteNumber("tokens", line.Tokens);
        }
        if (line.UnitPrice is { } price) json.WriteString("perMillionTokens", price.ToString());
        if (line.Packages is { } packages)
        {
            json.WriteStartObject("packages");
            json.WriteNumber("count", packages.Count);
            json.WriteNumber("tokens", packages.Tokens);
            json.WriteNumber("priceMicros", packages.PriceMicros.Value);
            json.WriteEndObject();
        }
        json.WriteNumber("amountMicros", line.AmountMicros.Value);
        if (line.AboutPeriodId.Length > 0) json.WriteString("aboutPeriodId", line.AboutPeriodId);
        if (HasTerms && line.Product.Length > 0) json.WriteString("product", line.Product);
        if (line.TermId.Length > 0) json.WriteString("termId", line.TermId);
        if (line.Tax is { } tax)
        {
            json.WriteStartObject("tax");
            json.WriteString("jurisdiction", tax.Jurisdiction);
            json.WriteString("treatment", tax.Treatment.Name());
            json.WriteString("rate", tax.Rate.ToString());
            json.WriteNumber("baseMicros", tax.BaseMicros.Value);
            if (tax.NoteSha256.Length > 0) json.WriteString("noteSha256", tax.NoteSha256);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }
}
