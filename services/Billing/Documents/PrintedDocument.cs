using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Billing.Documents;

/// <summary>
/// What a person reads of an invoice or a credit note: the one model behind HTML and PDF. It is read from the canonical JSON, so a
/// rendering can say nothing that the stored bytes do not.
/// </summary>
/// <param name="Stamp">DRAFT or VOID across the page; else empty</param>
/// <param name="Facts">number, dates, ids: a label and a value each</param>
/// <param name="Notes">each a paragraph</param>
public sealed record PrintedDocument(
    string Title, string Number, string Stamp, PrintedParty? Seller, PrintedParty Customer, IReadOnlyList<PrintedFact> Facts, string Currency,
    IReadOnlyList<PrintedLine> Lines, IReadOnlyList<PrintedSum> Sums, IReadOnlyList<PrintedFact> Notes);

/// <param name="Lines">address, tax number, whatever identifies the party</param>
public sealed record PrintedParty(string Name, IReadOnlyList<string> Lines);

public sealed record PrintedFact(string Label, string Value);

/// <param name="Quantity">and <paramref name="UnitPrice"/>: empty where the line has none</param>
public sealed record PrintedLine(string Description, string Quantity, string UnitPrice, string Amount);

/// <param name="IsTotal">what is owed</param>
public sealed record PrintedSum(string Label, string Amount, bool IsTotal);

/// <summary>Reads canonical documents.</summary>
public static class Printing
{
    /// <param name="json">canonical; the hash that is printed is over its bytes</param>
    /// <param name="customer">from the personal data; null prints the customer's id</param>
    /// <param name="status">of the invoice today: a void one is stamped</param>
    /// <param name="taxNote">likewise from the personal data: why no tax is charged; empty prints what the document says alone</param>
    public static PrintedDocument Invoice(string json, PrintedParty? customer, string status, string taxNote = "")
    {
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        var money = new Money(Currency.Parse(Text(root, "currency")));
        var (number, period) = (Text(root, "number"), root.GetProperty("period"));
        var isDraft = Text(root, "status") == "draft";
        List<PrintedFact> facts = [new("Invoice number", isDraft ? "(draft)" : number)];
        if (Text(root, "finalizedAt") is { Length: > 0 } at) facts.Add(new("Invoice date", Day(at)));
        if (Text(root, "dueAt") is { Length: > 0 } due) facts.Add(new("Due", Day(due)));
        facts.Add(new("Billing period", period.TryGetProperty("firstDay", out _)
            ? $"{Text(period, "firstDay")} to {Text(period, "lastDay")}{(Text(period, "timeZone") is "UTC" ? "" : $" ({Text(period, "timeZone")})")}"
            : $"{Day(Text(period, "start"))} to {LastDay(Text(period, "end"))}"));
        facts.Add(new("Customer", Text(root, "customerId")));
        facts.Add(new("Subscription", Text(root, "subscriptionId")));

        var lines = root.GetProperty("lines").EnumerateArray().ToArray();
        var seller = root.TryGetProperty("seller", out var s) ? s : (JsonElement?)null;
        List<PrintedFact> notes = [];
        if (seller is { } by && Text(by, "paymentInstructions") is { Length: > 0 } instructions && !isDraft)
            notes.Add(new("Payment", $"Payable within {by.GetProperty("paymentTermsDays").GetInt32()} days, by {Day(Text(root, "dueAt"))}.\n{instructions}"));
        if (lines.Any(l => Text(l, "aboutPeriodId").Length > 0))
            notes.Add(new("Earlier periods", "Lines that name an earlier period are for usage that was recorded after that period's invoice was final."));
        if (!isDraft) notes.Add(Proof(json, $"billing invoice show {Text(root, "invoiceId")} --json | sha256sum", "; billing audit replay makes the document again from recorded usage"));
        return new(
            isDraft ? "Draft invoice" : "Invoice", number, isDraft ? "DRAFT" : status == "void" ? "VOID" : "", seller is { } who ? Seller(who) : null,
            customer ?? new(Text(root, "customerId"), []), facts, money.Currency.Code, [.. lines.Where(l => !IsTax(l)).Select(l => Line(l, money))], [.. Sums(root, lines, money, taxNote)], notes);
    }

    public static PrintedDocument CreditNote(string json, string invoiceJson, PrintedParty? customer)
    {
        using var document = JsonDocument.Parse(json);
        using var invoice = JsonDocument.Parse(invoiceJson);
        var root = document.RootElement;
        var money = new Money(Currency.Parse(Text(root, "currency")));
        PrintedFact[] facts =
        [
            new("Credit note number", Text(root, "number")), new("Date", Day(Text(root, "issuedAt"))), new("For invoice", Text(root, "invoiceNumber")),
            new("Invoice date", Day(Text(invoice.RootElement, "finalizedAt"))), new("Customer", Text(root, "customerId")),
        ];
        var parts = root.GetProperty("parts").EnumerateArray().Where(p => p.GetProperty("netMicros").GetInt64() != 0 || p.GetProperty("taxMicros").GetInt64() != 0).ToArray();
        List<PrintedSum> sums = [new("Credited before tax", money.Of(root, "netMicros"), false)];
        sums.AddRange(parts.Where(p => p.GetProperty("taxMicros").GetInt64() != 0).Select(p => new PrintedSum(Text(p, "description"), money.Of(p, "taxMicros"), false)));
        sums.Add(new("Total credited", money.Of(root, "totalMicros"), true));
        return new(
            "Credit note", Text(root, "number"), "", invoice.RootElement.TryGetProperty("seller", out var seller) ? Seller(seller) : null, customer ?? new(Text(root, "customerId"), []), facts,
            money.Currency.Code,
            [.. parts.Select(p => new PrintedLine($"Credit on invoice {Text(root, "invoiceNumber")}: {Text(p, "description")}", "", "", money.Of(p, "netMicros")))], sums,
            [new("Reason", Text(root, "reason")), Proof(json, $"billing invoice credit-note {Text(root, "creditNoteId")} --json | sha256sum", "")]);
    }

    private static IEnumerable<PrintedSum> Sums(JsonElement root, JsonElement[] lines, Money money, string taxNote)
    {
        if (root.TryGetProperty("netMicros", out var net))
        {
            var products = lines.Where(l => !IsTax(l)).GroupBy(l => Text(l, "product")).ToArray();
            if (products.Length > 1)
                foreach (var product in products)
                    yield return new(product.Key == "usage" ? "Usage" : "Subscription", money.Of(product.Sum(l => l.GetProperty("amountMicros").GetInt64())), false);
            if (lines.Any(IsTax)) yield return new("Total before tax", money.Of(net.GetInt64()), false);
            foreach (var tax in lines.Where(IsTax))
                yield return new($"{Text(tax, "description")}{(NoteOf(tax).Length > 0 ? Prefixed(": ", taxNote) : "")}{(tax.GetProperty("amountMicros").GetInt64() == 0 ? "" : $" on {money.Of(tax.GetProperty("tax"), "baseMicros")}")}", money.Of(tax, "amountMicros"), false);
        }
        yield return new("Total due", money.Of(root, "totalMicros"), true);
    }

    private static PrintedLine Line(JsonElement l, Money money) => new(
        Text(l, "description"), l.TryGetProperty("tokens", out var tokens) ? tokens.GetInt64().ToString("#,0", CultureInfo.InvariantCulture) : "",
        Text(l, "perMillionTokens") is { Length: > 0 } price ? $"{price} / million" : l.TryGetProperty("packages", out var packages) ? PerPackage(packages, money) : "",
        money.Of(l, "amountMicros"));

    private static string PerPackage(JsonElement packages, Money money) =>
        string.Create(CultureInfo.InvariantCulture, $"{money.Of(packages, "priceMicros")} / {packages.GetProperty("tokens").GetInt64():#,0}");

    private static PrintedParty Seller(JsonElement seller) => new(
        Text(seller, "name"),
        [.. seller.GetProperty("addressLines").EnumerateArray().Select(l => l.GetString()!).Append(Prefixed("Tax ID ", Text(seller, "taxId"))).Append(Text(seller, "email")).Where(l => l.Length > 0)]);

    private static PrintedFact Proof(string json, string command, string more) => new(
        "Proof", $"SHA-256 of this document's canonical JSON:\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)))}\nCheck it with: {command}{more}");

    /// <summary>The hash of the note that is printed with the invoice's tax; empty where there is none.</summary>
    public static string TaxNoteSha256(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("lines").EnumerateArray().Select(NoteOf).FirstOrDefault(n => n.Length > 0) ?? "";
    }

    private static string NoteOf(JsonElement line) => line.TryGetProperty("tax", out var tax) ? Text(tax, "noteSha256") : "";

    private static bool IsTax(JsonElement line) => Text(line, "kind") == "tax";

    private static string Prefixed(string prefix, string text) => text.Length == 0 ? "" : prefix + text;

    private static string Text(JsonElement e, string name) => e.TryGetProperty(name, out var text) ? text.GetString()! : "";

    private static string Day(string time) => DateTimeOffset.Parse(time, CultureInfo.InvariantCulture).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    /// <summary>Periods end before their end; people name the last day.</summary>
    private static string LastDay(string end) => DateTimeOffset.Parse(end, CultureInfo.InvariantCulture).AddTicks(-1).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private sealed record Money(Currency Currency)
    {
        public string Of(long micros) => new Micros(micros).ToMajorUnits(Currency);
        public string Of(JsonElement e, string name) => Of(e.GetProperty(name).GetInt64());
    }
}
