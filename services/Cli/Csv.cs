using System.Globalization;

namespace Cli;

/// <summary>
/// Rows for spreadsheets (RFC 4180): a header, commas, a quote doubled within quotes, numbers with every digit and a point. Text that a
/// spreadsheet would take for a formula is preceded by an apostrophe.
/// </summary>
public static class Csv
{
    public static void Write(TextWriter output, IReadOnlyList<string> header, IEnumerable<IReadOnlyList<object?>> rows)
    {
        output.WriteLine(string.Join(',', header));
        foreach (var row in rows) WriteRow(output, row);
    }

    public static void WriteRow(TextWriter output, IReadOnlyList<object?> row) => output.WriteLine(string.Join(',', row.Select(Field)));

    private static string Field(object? value)
    {
        var text = value is IFormattable number ? number.ToString(null, CultureInfo.InvariantCulture) : value?.ToString() ?? "";
        if (value is string && text.Length > 0 && text[0] is '=' or '+' or '-' or '@') text = "'" + text;
        return text.AsSpan().ContainsAny(",\"\r\n") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
    }
}
