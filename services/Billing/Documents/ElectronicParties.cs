using System.Text.Json;
using Billing.Customers;
using static Billing.Documents.JsonText;

namespace Billing.Documents;

/// <summary>Who sells and who buys, as far as EN 16931 must know it.</summary>
internal static class ElectronicParties
{
    private const string Mended = "; it is on the invoices that are finalized after it is set, for a final one never changes";

    public static TradeParty Seller(JsonElement invoice)
    {
        if (!invoice.TryGetProperty("seller", out var seller)) throw Missing("BT-27", "seller name", $"nobody had described the seller; set it with billing seller describe{Mended}");
        if (Text(seller, "country") is not { Length: > 0 } country) throw Missing("BT-40", "seller country code", $"set it with billing seller describe --country{Mended}");
        // Sellers of before codes were looked up have what was two letters.
        if (!Countries.Has(country)) throw Missing("BT-40", "seller country code", $"'{country}' is not a country of ISO 3166-1, such as DE or GB; set it with billing seller describe --country{Mended}");
        if (Text(seller, "taxId") is not { Length: > 0 } taxId) throw Missing("BT-31", "seller VAT identifier", $"set it with billing seller describe --tax-id{Mended}");
        var vatId = VatNumber.Of(taxId);
        // Some identifier must be there (BR-CO-26), and a local tax number is none of those that count.
        return new(
            vatId.Length > 0 ? "" : taxId, Text(seller, "name"), AddressLines(seller.GetProperty("addressLines").EnumerateArray().Select(l => l.GetString()!)), "", "", country, vatId,
            vatId.Length > 0 ? "" : taxId, Text(seller, "email"));
    }

    /// <param name="id">billing's own, by which the seller knows the customer</param>
    public static TradeParty Buyer(string id, CustomerDetails? d)
    {
        if (d is null) throw Missing("BT-44", "buyer name", $"there are no details of {id} for this invoice: they were erased, or recorded after its period had closed; billing customer details records them for those to come");
        if (!Countries.Has(d.Country))
            throw Missing("BT-55", "buyer country code", $"'{d.Country}' is not a country of ISO 3166-1 in two capital letters; set it with billing customer details --country{Mended}");
        return new(id, d.Name, AddressLines(d.Lines), d.City, d.PostalCode, d.Country, VatNumber.Of(d.TaxId), "", d.Email);
    }

    private static ValueList<string> AddressLines(IEnumerable<string> lines) => lines.Where(l => l.Length > 0).ToArray() switch
    {
        { Length: <= 3 } few => [.. few],
        var many => [many[0], many[1], string.Join(", ", many[2..])],
    };

    private static BusinessTermMissingException Missing(string term, string name, string why) => new(term, name, why);
}
