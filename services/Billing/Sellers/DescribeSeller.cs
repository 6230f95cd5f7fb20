using Billing.Documents;

namespace Billing.Sellers;

/// <summary>Says who sells and when it wants to be paid: the head, foot and due date of every invoice from now on. Each is an event of its own, where it changes.</summary>
/// <param name="Country">ISO 3166-1, two capital letters: e-invoices demand it; empty for none</param>
/// <param name="NotSubjectToVat">who says it has no VAT identifier, and charges no tax on invoices that become final from now on, whatever the tax table says</param>
public sealed record DescribeSeller(
    string Name, ValueList<string> AddressLines, string TaxId, string Email, string PaymentInstructions, int PaymentTermsDays, DateTimeOffset At, string Country = "",
    bool NotSubjectToVat = false);

public static class DescribeSellerDecision
{
    private const int TextLengthMax = 200, AddressLinesMax = 8, InstructionsLengthMax = 1_000, DaysMax = 365;

    public static Decision<SellerEvent> Decide(DescribeSeller c, SellerState state)
    {
        var named = new SellerNamed(c.Name, c.AddressLines, c.TaxId, c.Email, c.PaymentInstructions, c.At, c.Country.Length == 0 ? null : c.Country, c.NotSubjectToVat);
        var isNamed = state.Seller is { } seller && seller with { At = c.At, By = null } == named;
        var hasTerms = state.Seller is not null && state.PaymentTermsDays == c.PaymentTermsDays;
        if (isNamed && hasTerms) return Decision.NoChange;
        if (string.IsNullOrWhiteSpace(c.Name) || c.AddressLines.Count == 0) return Decision.Refuse("seller_incomplete", "an invoice needs the seller's name and address");
        if (c.AddressLines.Any(string.IsNullOrWhiteSpace) || new[] { c.TaxId, c.Email, c.PaymentInstructions }.Any(t => t.Length > 0 && string.IsNullOrWhiteSpace(t)))
            return Decision.Refuse("seller_incomplete", "a line of the address, a tax number, an e-mail address or payment instructions that are blank say nothing: leave them out");
        if (c.Country.Length > 0 && !Countries.Has(c.Country))
            return Decision.Refuse("country_invalid", $"'{c.Country}' is not a country of ISO 3166-1 in two capital letters, such as DE or GB");
        if (c.NotSubjectToVat && VatNumber.Of(c.TaxId) is { Length: > 0 } vatId)
            return Decision.Refuse("vat_contradictory", $"{vatId} is a VAT identifier, and whoever is not subject to VAT has none: leave it out, or do not say so");
        if (c.AddressLines.Count > AddressLinesMax || c.AddressLines.Concat([c.Name, c.TaxId, c.Email]).Any(t => t.Length > TextLengthMax) || c.PaymentInstructions.Length > InstructionsLengthMax)
            return Decision.Refuse("seller_too_long", $"at most {AddressLinesMax} address lines of {TextLengthMax} characters, and {InstructionsLengthMax} characters of payment instructions");
        return c.PaymentTermsDays is < 0 or > DaysMax
            ? Decision.Refuse("payment_terms_invalid", $"payment terms are from 0 to {DaysMax} days")
            : Decision.Accept<SellerEvent>([.. isNamed ? [] : new SellerEvent[] { named }, .. hasTerms ? [] : new SellerEvent[] { new PaymentTermsSet(c.PaymentTermsDays, c.At) }]);
    }
}
