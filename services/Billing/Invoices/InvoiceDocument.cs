using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Billing.Menus;
using Billing.Periods;
using Billing.Rating;

namespace Billing.Invoices;

/// <summary>
/// The invoice as one canonical JSON text: properties in a fixed order, no white space, amounts in micros as whole numbers, prices
/// as decimal strings, times as ISO 8601 in UTC. The same facts give the same bytes, on any machine and in any year.
/// </summary>
/// <param name="Number">empty while a draft</param>
public sealed record InvoiceDocument(PeriodFacts Facts, MenuTerms Menu, RatedInvoice Rated, string Number, DateTimeOffset? FinalizedAt)
{
    public const string Format = "invoice/1";

    public string InvoiceId => InvoiceIds.Of(Facts.PeriodId);
    public Currency Currency => Menu.Currency;

    public static InvoiceDocument Draft(PeriodFacts facts, IReadOnlyDictionary<string, MenuTerms> menus) =>
        new(facts, menus[facts.MenuId], InvoiceRating.Rate(facts, menus), "", null);

    public static InvoiceDocument Finalized(PeriodFacts facts, IReadOnlyDictionary<string, MenuTerms> menus, string number, DateTimeOffset at) =>
        Draft(facts, menus) with { Number = number, FinalizedAt = at };

    public byte[] ToUtf8()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        // The relaxed encoder leaves names readable; what it must escape it escapes in one way only.
        using (var json = new Utf8JsonWriter(buffer, new() { Indented = false, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping })) Write(json);
        return buffer.WrittenSpan.ToArray();
    }

    private void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("format", Format);
        json.WriteString("invoiceId", InvoiceId);
        json.WriteString("number", Number);
        json.WriteString("status", FinalizedAt is null ? "draft" : "finalized");
        json.WriteString("customerId", Facts.CustomerId);
        if (Facts.CustomerDetailsSha256.Length > 0) json.WriteString("customerDetailsSha256", Facts.CustomerDetailsSha256);
        json.WriteString("subscriptionId", Facts.SubscriptionId);
        json.WriteStartObject("period");
        json.WriteString("id", Facts.PeriodId);
        json.WriteNumber("number", Facts.Number);
        json.WriteString("start", Time(Facts.Start));
        json.WriteString("end", Time(Facts.End));
        json.WriteEndObject();
        json.WriteString("menuId", Facts.MenuId);
        json.WriteString("planId", Facts.PlanId);
        json.WriteString("currency", Currency.Code);
        json.WriteStartArray("lines");
        foreach (var line in Rated.Lines) Write(json, line);
        json.WriteEndArray();
        json.WriteNumber("totalMicros", Rated.TotalMicros.Value);
        if (FinalizedAt is { } at) json.WriteString("finalizedAt", Time(at));
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, InvoiceLine line)
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
        json.WriteNumber("amountMicros", line.AmountMicros.Value);
        if (line.AboutPeriodId.Length > 0) json.WriteString("aboutPeriodId", line.AboutPeriodId);
        json.WriteEndObject();
    }

    private static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);
}
