using System.Text.RegularExpressions;

namespace Billing.Documents;

/// <summary>
/// Which tax numbers are VAT identifiers (BT-31, BT-48): those with a country of ISO 3166-1 in front, or EL as Greece and XI as Northern Ireland have it (BR-CO-09). Within the European Union the
/// form of the rest is known, so that HRB 12345, a number of a German register, is none of Croatia's; elsewhere digits follow, but for a few whose form is known, so that NIP 7250018312 is none of Nicaragua's.
/// </summary>
internal static partial class VatNumber
{
    /// <returns>without spaces and, within the Union, without dots and hyphens, which are for readers; empty where it is none</returns>
    public static string Of(string taxId)
    {
        var id = taxId.Replace(" ", "", StringComparison.Ordinal);
        var plain = id.Replace(".", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
        if (Union().IsMatch(plain)) return plain;
        return id.Length > 2 && Countries.Has(id[..2]) && !IsOfUnion().IsMatch(id) && Elsewhere().IsMatch(id) ? id : "";
    }

    /// <summary>By the European Commission's list of structures of VAT identification numbers.</summary>
    [GeneratedRegex("""
        ^(ATU\d{8}|BE[01]\d{9}|BG\d{9,10}|CY\d{8}[A-Z]|CZ\d{8,10}|DE\d{9}|DK\d{8}|EE\d{9}|EL\d{9}|ES[0-9A-Z]\d{7}[0-9A-Z]|FI\d{8}|FR[0-9A-Z]{2}\d{9}|HR\d{11}|HU\d{8}
        |IE\d[0-9A-Z+*]\d{5}[A-Z]{1,2}|IT\d{11}|LT(\d{9}|\d{12})|LU\d{8}|LV\d{11}|MT\d{8}|NL[0-9A-Z+*]{10}\d{2}|PL\d{10}|PT\d{9}|RO\d{2,10}|SE\d{12}|SI\d{8}|SK\d{10}|XI(\d{9}|\d{12}|(GD|HA)\d{3}))$
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Union();

    [GeneratedRegex("^(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)")]
    private static partial Regex IsOfUnion();

    [GeneratedRegex(@"^([A-Z]{2}\d[0-9A-Z+*.-]*|GB(GD|HA)\d{3}|CHE-?\d{3}\.?\d{3}\.?\d{3}(MWST|TVA|IVA)?)$")]
    private static partial Regex Elsewhere();
}
