using System.Buffers;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Cli;

/// <summary>
/// Rows for spreadsheets (RFC 4180): a header, commas, a quote doubled within quotes, numbers with every digit and a point. Text that a
/// spreadsheet would take for a formula is preceded by an apostrophe, also within a text, where one that does not cut at commas would begin a cell.
/// </summary>
public static partial class Csv
{
    /// <summary>What is quoted: also that at which other programs cut.</summary>
    private static readonly SearchValues<char> Quoted = SearchValues.Create(",;\"\t\r\n");

    public static void Write(TextWriter output, IReadOnlyList<string> header, IEnumerable<IReadOnlyList<object?>> rows)
    {
        output.WriteLine(string.Join(',', header));
        foreach (var row in rows) WriteRow(output, row);
    }

    public static void WriteRow(TextWriter output, IReadOnlyList<object?> row) => output.WriteLine(string.Join(',', row.Select(Field)));

    private static string Field(object? value)
    {
        var text = value is IFormattable number ? number.ToString(null, CultureInfo.InvariantCulture) : value?.ToString() ?? "";
        if (value is string) text = Formula().Replace(text, "'");
        return text.AsSpan().ContainsAny(Quoted) ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
    }

    /// <summary>
    /// Where a formula would begin: at the start, and, for a program that cuts at semicolons or tabs and so does not see our quotes, behind each of these and at the start of a line.
    /// Spaces and quotes in between are skipped as such a program does. A tab or the end of a line at the start is stripped by some, with what follows read as a formula.
    /// </summary>
    [GeneratedRegex("""(?<=^|[;\t\r\n])(?=[ "]*[=+\-@])|^(?=[\t\r\n])""")]
    private static partial Regex Formula();
}
