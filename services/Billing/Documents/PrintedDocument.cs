using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Billing.Customers;
using Billing.Sellers;
using static Billing.Documents.JsonText;

namespace Billing.Documents;

/// <summary>
/// What a person reads of an invoice or a credit note: the one model behind HTML and PDF. It is read from the canonical JSON, so a
/// rendering can say nothing that the stored bytes do not.
/// </summary>
/// <param name="Language">of every text, number and day in it</param>
/// <param name="Stamp">DRAFT or VOID across the page; else empty</param>
/// <param name="Facts">number, dates, ids: a label and a value each</param>
/// <param name="Notes">each a paragraph</param>
public sealed record PrintedDocument(
    DocumentLanguage Language, string Title, string Number, string Stamp, PrintedParty? Seller, PrintedParty Customer, IReadOnlyList<PrintedFact> Facts, string Currency,
    IReadOnlyList<PrintedLine> Lines, IReadOnlyList<PrintedSum> Sums, IReadOnlyList<PrintedNote> Notes);

/// <param name="Lines">address, tax number, whatever identifies the party</param>
public sealed record PrintedParty(string Name, IReadOnlyList<string> Lines);

public sealed record PrintedFact(string Label, string Value);

/// <param name="IsProof">small: seldom read</param>
public sealed record PrintedNote(string Label, string Value, bool IsProof = false);

/// <param name="Quantity">and <paramref name="UnitPrice"/>: empty where the line has none</param>
public sealed record PrintedLine(string Description, string Quantity, string UnitPrice, string Amount);

/// <param name="IsTotal">what is owed</param>
public sealed record PrintedSum(string Label, string Amount, bool IsTotal);

/// <summary>Reads canonical documents. Without a language they are printed in English.</summary>
public static class Printing
{
    /// <param name="json">canonical; the hash that is printed is over its bytes</param>
    /// <param name="customer">from the personal data; null prints the customer's id</param>
    /// <param name="status">of the invoice today: a void one is stamped</param>
    /// <param name="taxNote">likewise from the personal data: why no tax is charged; empty prints what the document says alone</param>
    public static PrintedDocument Invoice(string json, PrintedParty? customer, string status, string taxNote = "", DocumentLanguage? language = null)
    {
        using var document = JsonDocument.Parse(json);
        var (root, say) = (document.RootElement, language ?? DocumentLanguage.English);
        var money = new Money(Currency.Parse(Text(root, "currency")), say);
        var (number, period) = (Text(root, "number"), root.GetProperty("period"));
        var isDraft = Text(root, "status") == "draft";
        List<PrintedFact> facts = [new(say["InvoiceNumber"], isDraft ? say["NoNumber"] : number)];
        if (Text(root, "finalizedAt") is { Length: > 0 } at) facts.Add(new(say["InvoiceDate"], say.Day(Day(at))));
        var (total, isVoid) = (root.GetProperty("totalMicros").GetInt64(), status == "void");
        if (Text(root, "dueAt").Length > 0 && total > 0 && !isVoid) facts.Add(new(say["Due"], say.Day(LastDay(root))));
        var days = InvoicedDays.Of(period);
        facts.Add(new(say["BillingPeriod"], say.With("Days", ("from", say.Day(days.First)), ("to", say.Day(days.Last))) + (Text(period, "timeZone") is "" or "UTC" ? "" : $" ({Text(period, "timeZone")})")));
        facts.Add(new(say["Customer"], Text(root, "customerId")));
        facts.Add(new(say["Subscription"], Text(root, "subscriptionId")));

        var lines = root.GetProperty("lines").EnumerateArray().ToArray();
        var seller = root.TryGetProperty("seller", out var s) ? s : (JsonElement?)null;
        List<PrintedNote> notes = [];
        if (seller is { } by && Text(by, "paymentInstructions").Length > 0 && !isDraft && total > 0 && !isVoid) notes.Add(new(say["Payment"], PaymentTerms(root, say)));
        if (total < 0 && !isDraft && !isVoid) notes.Add(new(say["Payment"], say["OwedToYou"]));
        if (lines.Any(l => Text(l, "aboutPeriodId").Length > 0)) notes.Add(new(say["EarlierPeriods"], say["EarlierPeriodsWhy"]));
        if (!isDraft) notes.Add(Proof(json, $"billing invoice show {Text(root, "invoiceId")} --json | sha256sum", say["ProofReplay"], say));
        return new(
            say, say[isDraft ? "DraftInvoice" : "Invoice"], number, isDraft ? say["StampDraft"] : isVoid ? say["StampVoid"] : "", seller is { } who ? Seller(who, say) : null,
            customer ?? new(Text(root, "customerId"), []), facts, money.Currency.Code, [.. lines.Where(l => !IsTax(l)).Select(l => Line(l, money))], [.. Sums(root, lines, money, taxNote)], notes);
    }

    public static PrintedDocument CreditNote(string json, string invoiceJson, PrintedParty? customer, DocumentLanguage? language = null)
    {
        using var document = JsonDocument.Parse(json);
        using var invoice = JsonDocument.Parse(invoiceJson);
        var (root, say) = (document.RootElement, language ?? DocumentLanguage.English);
        var money = new Money(Currency.Parse(Text(root, "currency")), say);
        PrintedFact[] facts =
        [
            new(say["CreditNoteNumber"], Text(root, "number")), new(say["CreditNoteDate"], say.Day(Day(Text(root, "issuedAt")))), new(say["ForInvoice"], Text(root, "invoiceNumber")),
            new(say["InvoiceDate"], say.Day(Day(Text(invoice.RootElement, "finalizedAt")))), new(say["Customer"], Text(root, "customerId")),
        ];
        var parts = root.GetProperty("parts").EnumerateArray().Where(p => p.GetProperty("netMicros").GetInt64() != 0 || p.GetProperty("taxMicros").GetInt64() != 0).ToArray();
        List<PrintedSum> sums = [new(say["CreditedBeforeTax"], money.Of(root, "netMicros"), false)];
        if (InvoicedVat.IsOutsideScope(invoice.RootElement)) sums.Add(new(say["NotSubjectToVat"], money.Of(0), false));
        sums.AddRange(parts.Where(p => p.GetProperty("taxMicros").GetInt64() != 0).Select(p => new PrintedSum(say.Line(Text(p, "description")), money.Of(p, "taxMicros"), false)));
        sums.Add(new(say["TotalCredited"], money.Of(root, "totalMicros"), true));
        return new(
            say, say["CreditNote"], Text(root, "number"), "", invoice.RootElement.TryGetProperty("seller", out var seller) ? Seller(seller, say) : null, customer ?? new(Text(root, "customerId"), []), facts,
            money.Currency.Code,
            [.. parts.Select(p => new PrintedLine(say.With("CreditedPart", ("invoice", Text(root, "invoiceNumber")), ("line", say.Line(Text(p, "description")))), "", "", money.Of(p, "netMicros")))], sums,
            [new(say["Reason"], Text(root, "reason")), Proof(json, $"billing invoice credit-note {Text(root, "creditNoteId")} --json | sha256sum", "", say)]);
    }

    /// <summary>Name and address as they are printed.</summary>
    public static PrintedParty Party(CustomerDetails d, DocumentLanguage? language = null) =>
        new(d.Name, [.. d.Lines.Concat([$"{d.PostalCode} {d.City}".Trim(), d.Country, TaxNumber(d.TaxId, language ?? DocumentLanguage.English)]).Where(l => l.Length > 0)]);

    /// <summary>By when it is to be paid, and how.</summary>
    internal static string PaymentTerms(JsonElement invoice, DocumentLanguage say)
    {
        var seller = invoice.GetProperty("seller");
        var terms = say.With("PayableWithin", ("days", say.Number(seller.GetProperty("paymentTermsDays").GetInt32())), ("day", say.Day(LastDay(invoice))));
        return Text(seller, "paymentInstructions") is { Length: > 0 } instructions ? $"{terms}\n{instructions}" : terms;
    }

    /// <summary>By which it is to be paid: the day that ends when it falls overdue. Invoices that fell due at the time of day at which they had become final name the day that they fell due in.</summary>
    /// <param name="invoice">a final one with terms</param>
    internal static DateOnly LastDay(JsonElement invoice)
    {
        var (due, days) = (Time(Text(invoice, "dueAt")), invoice.TryGetProperty("seller", out var seller) ? seller.GetProperty("paymentTermsDays").GetInt32() : SellerState.PaymentTermsDaysDefault);
        return DateOnly.FromDateTime((due == Time(Text(invoice, "finalizedAt")).AddDays(days) ? due : due.AddTicks(-1)).UtcDateTime);
    }

    private static IEnumerable<PrintedSum> Sums(JsonElement root, JsonElement[] lines, Money money, string taxNote)
    {
        var say = money.Language;
        if (root.TryGetProperty("netMicros", out var net))
        {
            var products = lines.Where(l => !IsTax(l)).GroupBy(l => Text(l, "product")).ToArray();
            if (products.Length > 1)
                foreach (var product in products)
                    yield return new(say[product.Key == "usage" ? "SumUsage" : "SumSubscription"], money.Of(product.Sum(l => l.GetProperty("amountMicros").GetInt64())), false);
            var isOutsideScope = InvoicedVat.IsOutsideScope(root);
            if (isOutsideScope || lines.Any(IsTax)) yield return new(say["TotalBeforeTax"], money.Of(net.GetInt64()), false);
            if (isOutsideScope) yield return new(say["NotSubjectToVat"], money.Of(0), false);
            foreach (var tax in lines.Where(IsTax))
            {
                var words = $"{say.Line(Text(tax, "description"))}{(NoteOf(tax).Length > 0 ? Prefixed(": ", taxNote) : "")}";
                yield return new(tax.GetProperty("amountMicros").GetInt64() == 0 ? words : say.With("TaxOn", ("tax", words), ("amount", money.Of(tax.GetProperty("tax"), "baseMicros"))), money.Of(tax, "amountMicros"), false);
            }
        }
        yield return new(say["TotalDue"], money.Of(root, "totalMicros"), true);
    }

    private static PrintedLine Line(JsonElement l, Money money)
    {
        var say = money.Language;
        return new(
            say.Line(Text(l, "description")), l.TryGetProperty("tokens", out var tokens) ? say.Number(tokens.GetInt64()) : "",
            Text(l, "perMillionTokens") is { Length: > 0 } price ? say.With("PerMillion", ("price", say.Number(decimal.Parse(price, CultureInfo.InvariantCulture))))
                : l.TryGetProperty("packages", out var packages) ? $"{money.Of(packages, "priceMicros")} / {say.Number(packages.GetProperty("tokens").GetInt64())}" : "",
            money.Of(l, "amountMicros"));
    }

    private static PrintedParty Seller(JsonElement seller, DocumentLanguage say) => new(
        Text(seller, "name"),
        [.. seller.GetProperty("addressLines").EnumerateArray().Select(l => l.GetString()!).Append(TaxNumber(Text(seller, "taxId"), say)).Append(Text(seller, "email")).Where(l => l.Length > 0)]);

    private static string TaxNumber(string number, DocumentLanguage say) => number.Length == 0 ? "" : say.With(VatNumber.Of(number).Length > 0 ? "VatId" : "TaxId", ("number", number));

    private static PrintedNote Proof(string json, string command, string more, DocumentLanguage say) => new(
        say["Proof"], say.With("ProofHash", ("sha256", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)))), ("command", command)) + more, IsProof: true);

    /// <summary>The hash of the note that is printed with the invoice's tax; empty where there is none.</summary>
    public static string TaxNoteSha256(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("lines").EnumerateArray().Select(NoteOf).FirstOrDefault(n => n.Length > 0) ?? "";
    }

    private static string NoteOf(JsonElement line) => line.TryGetProperty("tax", out var tax) ? Text(tax, "noteSha256") : "";

    private static bool IsTax(JsonElement line) => Text(line, "kind") == "tax";

    private static string Prefixed(string prefix, string text) => text.Length == 0 ? "" : prefix + text;

    internal static DateOnly Day(string time) => DateOnly.FromDateTime(Time(time).UtcDateTime);

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);

    private sealed record Money(Currency Currency, DocumentLanguage Language)
    {
        public string Of(long micros) => Language.Money(new(micros), Currency);
        public string Of(JsonElement e, string name) => Of(e.GetProperty(name).GetInt64());
    }
}
