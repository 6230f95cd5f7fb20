using System.Text.RegularExpressions;

namespace Billing.Documents;

/// <summary>
/// Which tax numbers are VAT identifiers (BT-31, BT-48): those of a form that is known to be one, with its country in front, or EL as Greece and XI as Northern Ireland have it (BR-CO-09).
/// Where Greece's is written with GR, the code of the country, it is the one with EL, by which it is looked up.
/// Two letters alone say nothing: HRB 12345 is a number of a German register and none of Croatia's, NR 12345 and ID 12345 are words and none of Nauru's and Indonesia's.
/// </summary>
internal static partial class VatNumber
{
    /// <returns>in capitals, without spaces and, but for Switzerland, without dots and hyphens, which are for readers; empty where it is none</returns>
    public static string Of(string taxId)
    {
        var id = taxId.Replace(" ", "", StringComparison.Ordinal).ToUpperInvariant();
        var plain = id.Replace(".", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal);
        if (Greek().IsMatch(plain)) plain = $"EL{plain[2..]}";
        return Union().IsMatch(plain) || Elsewhere().IsMatch(plain) ? plain : Swiss().IsMatch(id) ? id : "";
    }

    /// <summary>By the European Commission's list of structures of VAT identification numbers.</summary>
    [GeneratedRegex("""
        ^(ATU\d{8}|BE[01]\d{9}|BG\d{9,10}|CY\d{8}[A-Z]|CZ\d{8,10}|DE\d{9}|DK\d{8}|EE\d{9}|EL\d{9}|ES[0-9A-Z]\d{7}[0-9A-Z]|FI\d{8}|FR[0-9A-Z]{2}\d{9}|HR\d{11}|HU\d{8}
        |IE\d[0-9A-Z+*]\d{5}[A-Z]{1,2}|IT\d{11}|LT(\d{9}|\d{12})|LU\d{8}|LV\d{11}|MT\d{8}|NL[0-9A-Z+*]{10}\d{2}|PL\d{10}|PT\d{9}|RO\d{2,10}|SE\d{12}|SI\d{8}|SK\d{10}|XI(\d{9}|\d{12}|(GD|HA)\d{3}))$
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Union();

    /// <summary>Of countries that write them with their code in front, or whose numbers others write so.</summary>
    [GeneratedRegex("""
        ^(AE\d{15}|AL[A-Z]\d{8}[A-Z]|AU\d{11}|GB(\d{9}|\d{12}|(GD|HA)\d{3})|IN\d{2}[A-Z]{5}\d{4}[A-Z][0-9A-Z]{3}|IS\d{5,6}|MK\d{13}|NO\d{9}(MVA)?|NZ\d{8,9}|RS\d{9}|SA\d{15}|TR\d{10}|UA\d{10,12}|ZA4\d{9})$
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Elsewhere();

    [GeneratedRegex(@"^GR\d{9}$")]
    private static partial Regex Greek();

    [GeneratedRegex(@"^CHE-?\d{3}\.?\d{3}\.?\d{3}(MWST|TVA|IVA)?$")]
    private static partial Regex Swiss();
}
