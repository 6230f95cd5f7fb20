using Billing.Rating;
using Billing.Sellers;

namespace Billing.Accounts;

/// <summary>Says how a customer is taxed. Where tax is charged the seller must have a rate, so that no invoice ever lacks one.</summary>
public sealed record SetTaxTreatment(string Jurisdiction, TaxTreatment Treatment, string Note, SellerState Seller, DateTimeOffset At);

public static class SetTaxTreatmentDecision
{
    private const int NoteLengthMax = 200;

    public static Decision<AccountEvent> Decide(SetTaxTreatment c, AccountState state)
    {
        if (state.Tax == new AccountTax(c.Jurisdiction, c.Treatment, c.Note)) return Decision.NoChange;
        if (!Jurisdictions.IsValid(c.Jurisdiction)) return Jurisdictions.Invalid(c.Jurisdiction);
        if (c.Note.Length > NoteLengthMax) return Decision.Refuse("note_too_long", $"a note has at most {NoteLengthMax} characters");
        if (c.Treatment != TaxTreatment.Standard && c.Note.Length == 0)
            return Decision.Refuse("note_missing", "where no tax is charged the invoice says why: give the exemption certificate, or the customer's tax number");
        if (c.Treatment == TaxTreatment.Standard && Products.All.FirstOrDefault(p => c.Seller.Rate(c.Jurisdiction, p, c.At) is not { } rate || rate.From > c.At) is { } product)
            return Decision.Refuse("tax_rate_unknown", $"there is no tax rate in force for {product} in {c.Jurisdiction}: set one with SetTaxRate first");
        return Decision.Accept<AccountEvent>(new TaxTreatmentSet(c.Jurisdiction, c.Treatment, c.Note, c.At));
    }
}
