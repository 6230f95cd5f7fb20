using Billing.Rating;
using Billing.Sellers;

namespace Billing.Accounts;

/// <summary>Says how a customer is taxed from a date on. Where tax is charged the seller must have a rate then, so that no invoice ever lacks one.</summary>
/// <param name="Note">printed where no tax is charged, and kept with the customer's details: only its hash is a part of history</param>
/// <param name="NoteSha256">under the customer's salt; empty without a note</param>
/// <param name="From">by the customer's clocks; null is from now on, unless it holds then already</param>
/// <param name="LocalAt">what the customer's clocks show at At</param>
/// <param name="Moment">when the first of them shows From; At without one</param>
public sealed record SetTaxTreatment(
    string Jurisdiction, TaxTreatment Treatment, string Note, string NoteSha256, SellerState Seller, DateTimeOffset? From, DateTimeOffset At, DateTimeOffset LocalAt, DateTimeOffset Moment);

public static class SetTaxTreatmentDecision
{
    private const int NoteLengthMax = 200;

    public static Decision<AccountEvent> Decide(SetTaxTreatment c, AccountState state)
    {
        // The customer's clocks may be set back, as when its first time zone is one west of UTC: what is said later still goes before what was said by the clocks of before.
        var from = c.From ?? (state.TaxedFromNow > c.LocalAt ? state.TaxedFromNow.Value : c.LocalAt);
        if (state.TaxOn(from) is { } holds && holds with { From = null } == new AccountTax(c.Jurisdiction, c.Treatment, "", c.NoteSha256)) return Decision.NoChange;
        if (!Jurisdictions.IsValid(c.Jurisdiction)) return Jurisdictions.Invalid(c.Jurisdiction);
        if (c.Note.Length > NoteLengthMax) return Decision.Refuse("note_too_long", $"a note has at most {NoteLengthMax} characters");
        if (c.Treatment != TaxTreatment.Standard && c.Note.Length == 0)
            return Decision.Refuse("note_missing", "where no tax is charged the invoice says why: give the exemption certificate, or the customer's tax number");
        if (c.Treatment == TaxTreatment.Standard && Products.All.FirstOrDefault(p => c.Seller.Rate(c.Jurisdiction, p, from, c.Moment) is null) is { } product)
            return Decision.Refuse("tax_rate_unknown", $"there is no tax rate in force for {product} in {c.Jurisdiction}: set one with SetTaxRate first");
        return Decision.Accept<AccountEvent>(new TaxTreatmentSet(c.Jurisdiction, c.Treatment, "", c.At, from, c.NoteSha256.Length > 0 ? c.NoteSha256 : null, c.From is null ? true : null));
    }
}
