using System.Text.Json;
using Billing.Accounts;
using Billing.Rating;
using static Billing.Documents.JsonText;

namespace Billing.Documents;

/// <summary>The tax of an invoice in the categories of EN 16931: what was taxed alike, and which products that is.</summary>
/// <param name="Breakdown">in the order of the invoice's lines of tax</param>
internal sealed record InvoicedVat(ValueList<VatBreakdown> Breakdown)
{
    /// <summary>Lines of tax are in the order of the products; one alone is for all of them.</summary>
    public VatCategory Of(string product) => Breakdown[Breakdown.Count == 1 || product == Products.Subscription ? 0 : 1].Category;

    /// <summary>The breakdown as an e-invoice has it: a category of which there is neither an amount nor a line or allowance is none of its own (BR-S-8 and its like).</summary>
    public ValueList<VatBreakdown> UsedBy(IReadOnlyCollection<TradeLine> lines, IReadOnlyCollection<TradeAllowance> allowances) =>
        Breakdown.Where(b => b.BaseMicros != Micros.Zero || b.TaxMicros != Micros.Zero || lines.Any(l => l.Vat == b.Category) || allowances.Any(a => a.Vat == b.Category)).ToValueList();

    /// <exception cref="BusinessTermMissingException">It is not known how the customer is taxed, or not all of the invoice is.</exception>
    public static InvoicedVat Of(JsonElement invoice, TradeParty seller, string taxNote, DocumentLanguage say)
    {
        var lines = invoice.GetProperty("lines").EnumerateArray().Where(l => Text(l, "kind") == LineKinds.Tax).ToArray();
        var net = invoice.GetProperty("netMicros").GetInt64();
        // That nobody set a rate does not make anybody's sales free of VAT: the seller says so, or nobody does.
        var isOutsideScope = IsOutsideScope(invoice);
        if ((lines.Length == 0 || isOutsideScope) && (seller.VatId.Length > 0 || !isOutsideScope))
            throw new BusinessTermMissingException("BT-118", "VAT category", $"no tax stands on the invoice, and {(seller.VatId.Length > 0 ? $"the seller has the VAT identifier {seller.VatId}" : "nobody said that the seller is not subject to VAT")}; for the invoices to come, "
                + $"billing seller tax-rate and billing customer tax say how it is taxed{(seller.VatId.Length > 0 ? "" : ", and billing seller describe … --not-subject-to-vat that it is not, where that is so")}");
        if (isOutsideScope) return new([new(new(net), Micros.Zero, VatCategory.OutsideScope, say["NotSubjectToVat"], "VATEX-EU-O")]);
        if (lines.FirstOrDefault(l => !l.TryGetProperty("tax", out _)) is { ValueKind: JsonValueKind.Object } unknown)
            throw new BusinessTermMissingException("BT-118", "VAT category", $"the invoice says \"{Text(unknown, "description")}\"; billing customer tax, billing account tax and billing seller tax-rate say it for those to come");
        var breakdown = lines.Select(l => Of(l, l.GetProperty("tax"), taxNote, say)).ToArray();
        if (breakdown.Sum(b => b.BaseMicros.Value) != net) throw new BusinessTermMissingException("BT-151", "VAT category of a line", "the seller had no rate for all that is on the invoice; billing seller tax-rate sets it for those to come");
        return breakdown.Select(b => b.Category).Distinct().Count() == breakdown.Length
            ? new(breakdown.ToValueList())
            : throw new BusinessTermMissingException("BT-116", "VAT category taxable amount", "two taxes of one rate stand apart on the invoice, and EN 16931 has one sum for a rate; give them one name with billing seller tax-rate for those to come");
    }

    /// <summary>The parties as this tax wants them named: outside its scope the customer has no VAT identifier either (BR-O-2).</summary>
    /// <exception cref="BusinessTermMissingException">The customer owes the tax and has no number.</exception>
    public (TradeParty Seller, TradeParty Buyer) Identify(TradeParty seller, TradeParty buyer) => Breakdown[0].Category.Code switch
    {
        "O" => (seller, buyer with { VatId = "" }),
        "AE" when buyer.VatId.Length == 0 => throw new BusinessTermMissingException(
            "BT-48", "buyer VAT identifier", "the customer owes the tax, and its number is missing or has no country in front; set it with billing customer details --tax-id for the invoices to come"),
        _ => (seller, buyer),
    };

    /// <summary>The seller says that it is not subject to VAT, and nothing is taxed. Until version 6 of rating such an invoice could say besides that there was no rate.</summary>
    public static bool IsOutsideScope(JsonElement invoice) =>
        invoice.TryGetProperty("seller", out var seller) && seller.TryGetProperty("notSubjectToVat", out var said) && said.GetBoolean()
        && !invoice.GetProperty("lines").EnumerateArray().Any(l => l.TryGetProperty("tax", out _));

    private static VatBreakdown Of(JsonElement line, JsonElement tax, string taxNote, DocumentLanguage say)
    {
        var (taxed, charged, rate) = (new Micros(tax.GetProperty("baseMicros").GetInt64()), new Micros(line.GetProperty("amountMicros").GetInt64()), Percent.Parse(Text(tax, "rate")));
        var words = say.Line(Text(line, "description"));
        var reason = taxNote.Length == 0 ? words : $"{words}: {taxNote}";
        return Text(tax, "treatment") switch
        {
            "reverse_charge" => new(taxed, charged, new("AE", default(Percent)), reason, "VATEX-EU-AE"),
            "exempt" => new(taxed, charged, new("E", default(Percent)), reason, ""),
            _ => new(taxed, charged, new(rate.Value == 0 ? "Z" : "S", rate), "", ""),
        };
    }
}
