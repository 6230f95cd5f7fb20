using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Billing.Customers;
using Billing.Rating;
using static Billing.Documents.JsonText;

namespace Billing.Documents;

/// <summary>Reads canonical documents into the terms of EN 16931.</summary>
public static class ElectronicInvoicing
{
    private const long PriceQuantity = 1_000_000;

    /// <summary>Lines that take something off the whole. Every other kind is a line of the e-invoice.</summary>
    private static readonly string[] AllowanceKinds = [LineKinds.Discount, LineKinds.PrepaidTokens, LineKinds.Credit];

    /// <param name="json">canonical</param>
    /// <param name="customer">as it was when the document was made; null prints nobody, and is refused</param>
    /// <param name="status">of the invoice today: a void one demands nothing</param>
    /// <param name="taxNote">from the personal data: why no tax is charged</param>
    /// <exception cref="BusinessTermMissingException">A mandatory term is not known.</exception>
    public static ElectronicInvoice Invoice(string json, CustomerDetails? customer, string status, string taxNote = "", DocumentLanguage? language = null)
    {
        using var document = JsonDocument.Parse(json);
        var (root, say) = (document.RootElement, language ?? DocumentLanguage.English);
        if (Text(root, "status") == "draft") throw new BusinessTermMissingException("BT-1", "invoice number", "a draft has none; its period closes first, and billing invoice finalize numbers it");
        if (status == "void") throw new BusinessTermMissingException("BT-115", "amount due for payment", "the invoice is void and demands nothing");
        var (currency, named) = (CurrencyOf(root), ElectronicParties.Seller(root));
        var taxes = InvoicedVat.Of(root, named, taxNote, say);
        var (seller, buyer) = taxes.Identify(named, ElectronicParties.Buyer(Text(root, "customerId"), customer));
        var charged = root.GetProperty("lines").EnumerateArray().Where(l => Text(l, "kind") != LineKinds.Tax).ToArray();
        var lines = charged.Where(l => !IsAllowance(l)).Select((l, i) => Line(l, i + 1, taxes.Of(Text(l, "product")), currency, say)).ToValueList();
        var allowances = charged.Where(IsAllowance).Select(l => Allowance(l, taxes.Of(Text(l, "product")), say)).ToValueList();
        // As it is printed: whoever owes nothing is not told to pay.
        var total = Amount(root, "totalMicros");
        var terms = total > 0 ? Printing.PaymentTerms(root, say) : total < 0 ? say["OwedToYou"] : "";
        return new(
            IsCreditNote: false, Text(root, "number"), Printing.Day(Text(root, "finalizedAt")), total > 0 ? Printing.LastDay(root) : null, currency, Proof(json, say), Text(root, "subscriptionId"), null,
            InvoicedDays.Of(root.GetProperty("period")), seller, buyer, terms, lines, allowances, taxes.UsedBy(lines, allowances));
    }

    /// <param name="invoiceJson">canonical, of the invoice that is credited</param>
    /// <exception cref="BusinessTermMissingException">A mandatory term is not known.</exception>
    public static ElectronicInvoice CreditNote(string json, string invoiceJson, CustomerDetails? customer, string taxNote = "", DocumentLanguage? language = null)
    {
        using var document = JsonDocument.Parse(json);
        using var credited = JsonDocument.Parse(invoiceJson);
        var (root, invoice, say) = (document.RootElement, credited.RootElement, language ?? DocumentLanguage.English);
        var (currency, named) = (CurrencyOf(root), ElectronicParties.Seller(invoice));
        var taxes = InvoicedVat.Of(invoice, named, taxNote, say);
        var (seller, buyer) = taxes.Identify(named, ElectronicParties.Buyer(Text(root, "customerId"), customer));
        // Parts are in the order of the invoice's taxes, which is that of its breakdown.
        var parts = root.GetProperty("parts").EnumerateArray().Select((p, i) => (Part: p, Vat: taxes.Breakdown[i]))
            .Where(p => Amount(p.Part, "netMicros") != 0 || Amount(p.Part, "taxMicros") != 0).ToArray();
        if (parts.FirstOrDefault(p => !IsNearItsRate(p.Part, p.Vat.Category)).Part is { ValueKind: JsonValueKind.Object } far)
            throw new BusinessTermMissingException("BT-117", "tax amount", $"of {Text(far, "description")} the note gives back its share of the invoice's tax, and that is a whole {currency} or more off its rate, which the standard refuses; the printed note is as good");
        return new(
            IsCreditNote: true, Text(root, "number"), Printing.Day(Text(root, "issuedAt")), null, currency,
            Note($"{say.With("CreditedOn", ("reason", Text(root, "reason")), ("invoice", Text(root, "invoiceNumber")))}\n{Proof(json, say)}"), "",
            new(Text(root, "invoiceNumber"), Printing.Day(Text(invoice, "finalizedAt"))), null,
            seller, buyer, say["CreditTerms"],
            parts.Select((p, i) => Whole(i + 1, say.With("CreditedPart", ("invoice", Text(root, "invoiceNumber")), ("line", say.Line(Text(p.Part, "description")))), "", Amount(p.Part, "netMicros"), p.Vat.Category, [])).ToValueList(), [],
            parts.Select(p => p.Vat with { BaseMicros = new(Amount(p.Part, "netMicros")), TaxMicros = new(Amount(p.Part, "taxMicros")) }).ToValueList());
    }

    /// <summary>Tokens times their price, where that is the amount but for its rounding; else one unit of the amount, for a price must not be below zero (BR-27).</summary>
    private static TradeLine Line(JsonElement l, int number, VatCategory vat, Currency currency, DocumentLanguage say)
    {
        var (amount, name, plan) = (Amount(l, "amountMicros"), say.Line(Text(l, "description")), Text(l, "planId"));
        List<ItemAttribute> attributes = [new("kind", Text(l, "kind"))];
        if (!l.TryGetProperty("tokens", out var counted)) return Whole(number, name, plan, amount, vat, [.. attributes]);
        attributes.Add(new("token kind", Text(l, "tokenKind")));
        var (tokens, price) = (counted.GetInt64(), Text(l, "perMillionTokens") is { Length: > 0 } text ? decimal.Parse(text, CultureInfo.InvariantCulture) : 0);
        if (Math.Abs(tokens * price - amount) < currency.MinorUnit.Value) return new(Id(number), name, plan, tokens, price, PriceQuantity, new(amount), vat, [.. attributes]);
        return Whole(number, name, plan, amount, vat, [.. attributes, new("tokens", tokens.ToString(CultureInfo.InvariantCulture))]);
    }

    private static TradeLine Whole(int number, string name, string planId, long amount, VatCategory vat, ValueList<ItemAttribute> attributes) =>
        new(Id(number), name, planId, amount < 0 ? -1 : 1, Math.Abs(amount) / 1_000_000m, 1, new(amount), vat, attributes);

    private static TradeAllowance Allowance(JsonElement l, VatCategory vat, DocumentLanguage say) =>
        new(Amount(l, "amountMicros") > 0, new(Math.Abs(Amount(l, "amountMicros"))), say.Line(Text(l, "description")), vat);

    private static bool IsAllowance(JsonElement line) => AllowanceKinds.Contains(Text(line, "kind"));

    private static Currency CurrencyOf(JsonElement root) => Currency.Parse(Text(root, "currency")) is { Digits: <= 2 } currency
        ? currency
        : throw new BusinessTermMissingException("BT-112", "invoice total", $"EN 16931 has amounts of at most two decimals, and those in {Text(root, "currency")} have three");

    private static string Proof(string json, DocumentLanguage say) => say.With("ProofNote", ("sha256", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(json)))));

    private static string Id(int number) => number.ToString(CultureInfo.InvariantCulture);

    /// <summary>BR-CL-08 takes what stands between the first two # of a note for a code of its subject: where there is one, the code of general information goes before.</summary>
    private static string Note(string text) => text.Contains('#', StringComparison.Ordinal) ? $"#AAI#{text}" : text;

    /// <summary>BR-S-09, BR-CO-17: a tax is less than one whole unit of the currency off its rate.</summary>
    private static bool IsNearItsRate(JsonElement part, VatCategory category)
    {
        var (net, tax) = (Math.Abs(Amount(part, "netMicros")) / 1_000_000m, Math.Abs(Amount(part, "taxMicros")) / 1_000_000m);
        return category.Rate is not { } rate || Math.Abs(tax - decimal.Round(rate.Of(net), 2, MidpointRounding.AwayFromZero)) < 1;
    }

    private static long Amount(JsonElement e, string name) => e.GetProperty(name).GetInt64();
}
