using System.Globalization;
using System.Resources;
using System.Text.RegularExpressions;

namespace Billing.Documents;

/// <summary>
/// The words of documents in one language, and how it writes numbers and days. All of it stands in a resource file, the formats too: the process has no
/// culture, so documents read alike on every machine. Canonical documents are in none of these: they never change.
/// </summary>
public sealed partial class DocumentLanguage
{
    public static DocumentLanguage English { get; } = new("en", "Texts");
    public static DocumentLanguage German { get; } = new("de", "Texts.de");
    public static IReadOnlyList<DocumentLanguage> All { get; } = [English, German];

    private readonly ResourceManager _texts;
    private readonly string _dayFormat;

    /// <param name="file">beside this one; Texts.resx has every text</param>
    private DocumentLanguage(string code, string file)
    {
        Code = code;
        _texts = new($"{typeof(DocumentLanguage).Namespace}.{file}", typeof(DocumentLanguage).Assembly);
        _dayFormat = this["FormatDay"];
        Numbers = new() { NumberDecimalSeparator = this["FormatDecimalSeparator"], NumberGroupSeparator = this["FormatGroupSeparator"] };
    }

    /// <summary>ISO 639-1, two letters.</summary>
    public string Code { get; }

    public NumberFormatInfo Numbers { get; }

    /// <param name="code">empty is English</param>
    /// <returns>null where there are no texts in it</returns>
    public static DocumentLanguage? Find(string code) => code.Length == 0 ? English : All.FirstOrDefault(l => l.Code == code);

    public string this[string text] =>
        _texts.GetString(text, CultureInfo.InvariantCulture) ?? throw new MissingManifestResourceException($"there is no text '{text}' in '{Code}': every resource file of documents has every text");

    /// <summary>A text with its {placeholders} filled; what fills them is not looked at again.</summary>
    public string With(string text, params (string Name, string Value)[] values) => With(text, name => values.Single(v => v.Name == name).Value);

    internal string With(string text, Func<string, string> value) => Placeholder().Replace(this[text], m => value(m.Groups["name"].Value));

    public string Day(DateOnly day) => day.ToString(_dayFormat, CultureInfo.InvariantCulture);

    /// <summary>With as many decimals as it has.</summary>
    public string Number(decimal number) => number.ToString(number.Scale == 0 ? "#,##0" : $"#,##0.{new string('0', number.Scale)}", Numbers);

    public string Money(Micros amount, Currency currency) => amount.ToMajorUnits(currency, Numbers);

    [GeneratedRegex("\\{(?<name>[a-zA-Z0-9]+)\\}")]
    internal static partial Regex Placeholder();
}
