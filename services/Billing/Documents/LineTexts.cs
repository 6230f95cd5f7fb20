using System.Globalization;
using System.Text.RegularExpressions;

namespace Billing.Documents;

/// <summary>
/// What rating wrote on a line, in another language. The English texts are the forms that rating writes in: a description that has one of them is said again
/// with what it speaks of, and one that has none stays as it is.
/// </summary>
internal static class LineTexts
{
    /// <summary>A form stands after those that it would take for its own.</summary>
    private static readonly string[] Names =
    [
        "LineLateTerm", "LineLateOverrun", "LineLate", "LineFeeTrial", "LineFeePaused", "LineFeePart", "LineFee", "LineIncluded", "LineOverageTier", "LineOverage", "LinePackage", "LinePackages", "LineOverrun", "LineMinimum",
        "LinePercentOffUsage", "LinePercentOffSubscription", "LineOffUsage", "LineOffSubscription", "LinePrepaid", "LineCreditUsage", "LineCreditSubscription",
        "LineTaxUnknown", "LineTaxNoRate", "LineReverseChargeNote", "LineReverseCharge", "LineExemptNote", "LineExempt", "LineTax", "LineNotTaxed",
    ];

    private static readonly Dictionary<string, string> Kinds = Words("KindInput", "KindCachedInput", "KindCacheCreation", "KindOutput", "KindReasoning");
    private static readonly Dictionary<string, string> Products = Words("ProductUsage", "ProductSubscription");
    private static readonly (string Name, Regex Form)[] Forms = [.. Names.Select(n => (n, FormOf(DocumentLanguage.English[n])))];

    /// <param name="description">as the canonical document has it</param>
    public static string Line(this DocumentLanguage language, string description)
    {
        if (language == DocumentLanguage.English) return description;
        foreach (var (name, form) in Forms)
            if (form.Match(description) is { Success: true } match) return language.With(name, placeholder => language.Said(placeholder, match.Groups[placeholder].Value));
        return description;
    }

    private static string Said(this DocumentLanguage language, string placeholder, string said) => placeholder switch
    {
        "from" or "to" or "wholeFrom" or "wholeTo" => language.Day(DateOnly.ParseExact(said, "yyyy-MM-dd", CultureInfo.InvariantCulture)),
        "tokens" or "first" or "last" or "begun" or "size" or "billed" or "percent" or "price" or "amount" => language.Number(decimal.Parse(said, CultureInfo.InvariantCulture)),
        "kind" => language[Kinds[said]],
        "product" => language[Products[said]],
        "tax" => said == DocumentLanguage.English["TaxVat"] ? language["TaxVat"] : said,
        "line" => language.Line(said),
        _ => said,
    };

    private static Regex FormOf(string text)
    {
        var (form, at) = ("", 0);
        foreach (Match placeholder in DocumentLanguage.Placeholder().Matches(text))
        {
            var name = placeholder.Groups["name"].Value;
            form += $"{Regex.Escape(text[at..placeholder.Index])}(?<{name}>{Shape(name)})";
            at = placeholder.Index + placeholder.Length;
        }
        return new($"^{form}{Regex.Escape(text[at..])}$", RegexOptions.Singleline | RegexOptions.NonBacktracking);
    }

    private static string Shape(string placeholder) => placeholder switch
    {
        "from" or "to" or "wholeFrom" or "wholeTo" => "\\d{4}-\\d{2}-\\d{2}",
        "tokens" or "first" or "last" or "begun" or "size" or "billed" or "percent" or "price" or "amount" => "-?[\\d,]+(\\.\\d+)?",
        "kind" => string.Join('|', Kinds.Keys),
        "product" => string.Join('|', Products.Keys),
        "place" => "[A-Z0-9-]+",
        _ => ".+",
    };

    private static Dictionary<string, string> Words(params string[] names) => names.ToDictionary(n => DocumentLanguage.English[n]);
}
