using System.Text;
using System.Text.Json;
using Microsoft.VisualBasic.FileIO;

namespace Cli.Imports;

/// <summary>One line of a file, by the names of its columns.</summary>
/// <param name="Number">its line in a CSV file, its place in a JSON array, from 1</param>
/// <param name="Values">as text; of what is nested in JSON, its own text</param>
public sealed record ImportRow(long Number, IReadOnlyDictionary<string, string> Values)
{
    /// <summary>Columns that are nested in JSON: at fault already, whatever else is wrong with what they hold.</summary>
    public IReadOnlySet<string> Nested { get; init; } = new HashSet<string>();

    /// <summary>Whether a problem is about nothing but what is nested.</summary>
    public bool IsOfNested(string problem) => Nested.Any(c => problem.Contains(Values[c], StringComparison.Ordinal));

    /// <summary>Whether the file says anything of it for this row, be it that there is nothing: a column of a CSV file is said in each of its rows, and null is said in JSON.</summary>
    public bool Says(params ReadOnlySpan<string> columns)
    {
        foreach (var column in columns)
            if (Values.ContainsKey(column)) return true;
        return false;
    }

    /// <summary>Empty where the row has nothing.</summary>
    public string this[string column] => Values.GetValueOrDefault(column, "");

    public bool HasAny(params ReadOnlySpan<string> columns)
    {
        foreach (var column in columns)
            if (this[column].Length > 0) return true;
        return false;
    }
}

/// <summary>What is wrong with a row, in one line.</summary>
public sealed record RowFault(long Row, string Reference, string Problem);

/// <summary>
/// Rows of a CSV file (RFC 4180, with a header) or of a JSON array of flat objects. Columns are known by name, whatever their case: postalCode,
/// postal_code and "Postal Code" are one.
/// </summary>
public static class ImportFile
{
    private const long BytesMax = 256L << 20;

    /// <summary>A byte that is no UTF-8 is a fault: what it was meant to be can only be guessed, and stands on invoices for ever.</summary>
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <returns>the rows that could be read, and what is wrong with the others</returns>
    /// <exception cref="UserException">the file cannot be read, or has columns that nobody knows</exception>
    public static (IReadOnlyList<ImportRow> Rows, IReadOnlyList<RowFault> Faults) Read(string path, IReadOnlyList<string> columns)
    {
        try
        {
            if (new FileInfo(path).Length > BytesMax) throw new UserException($"{path} has more than {BytesMax >> 20} MB: split it");
            var text = File.ReadAllText(path, Strict);
            if (string.IsNullOrWhiteSpace(text)) throw new UserException($"{path} is empty: it needs a header and rows, or a JSON array of objects");
            return text.TrimStart()[0] == '[' ? Json(text, path, columns) : Csv(text, path, columns);
        }
        catch (DecoderFallbackException)
        {
            throw new UserException($"{path} is not UTF-8 text: save it as UTF-8, or convert it with iconv -f WINDOWS-1252 -t UTF-8");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path} cannot be read: {e.Message}");
        }
    }

    private static (IReadOnlyList<ImportRow> Rows, IReadOnlyList<RowFault> Faults) Csv(string text, string path, IReadOnlyList<string> columns)
    {
        var (rows, faults) = (new List<ImportRow>(), new List<RowFault>());
        string[]? header = null;
        var (parser, before, lines) = (Parser(text), 0L, text.Split('\n'));
        while (!parser.EndOfData)
        {
            var line = before + parser.LineNumber;
            // Blank lines are skipped when the next row is read, and not before.
            while (line <= lines.Length && string.IsNullOrWhiteSpace(lines[line - 1])) line++;
            string[] fields;
            try
            {
                fields = parser.ReadFields() ?? [];
            }
            catch (MalformedLineException)
            {
                if (header is null) throw new UserException($"{path} has no header that can be read: a quote does not end");
                faults.Add(new(line, "", "a quote does not end, or something follows it: double the quotes within quotes"));
                // A quote that does not end took in all that follows: read on behind the line on which it began.
                parser.Dispose();
                (parser, before) = (Parser(After(text, line)), line);
                continue;
            }
            if (header is null)
            {
                header = [.. fields.Select(f => Known(f, columns) ?? throw new UserException($"{path} has a column '{f}' that is not known: those are {string.Join(", ", columns)}"))];
                if (header.GroupBy(h => h).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new UserException($"{path} has the column {twice.Key} twice");
            }
            else if (fields.Length != header.Length)
                faults.Add(new(line, "", $"it has {fields.Length} fields, and the header {header.Length}"));
            else
                rows.Add(new(line, header.Zip(fields).ToDictionary(p => p.First, p => p.Second)));
        }
        parser.Dispose();
        return (rows, faults);
    }

    private static TextFieldParser Parser(string text) =>
        new(new StringReader(text)) { TextFieldType = FieldType.Delimited, Delimiters = [","], HasFieldsEnclosedInQuotes = true, TrimWhiteSpace = true };

    private static string After(string text, long lines)
    {
        var at = 0;
        for (; lines > 0 && at < text.Length; lines--) at = text.IndexOf('\n', at) is >= 0 and var end ? end + 1 : text.Length;
        return text[at..];
    }

    private static (IReadOnlyList<ImportRow> Rows, IReadOnlyList<RowFault> Faults) Json(string text, string path, IReadOnlyList<string> columns)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text);
        }
        catch (JsonException e)
        {
            throw new UserException($"{path} is not JSON: {e.Message}");
        }
        using (document)
        {
            var (rows, faults) = (new List<ImportRow>(), new List<RowFault>());
            foreach (var (index, row) in document.RootElement.EnumerateArray().Index())
            {
                var number = index + 1;
                var reference = Reference(row);
                if (row.ValueKind != JsonValueKind.Object) faults.Add(new(number, "", $"it is {Name(row.ValueKind)}, where an object is expected"));
                else
                {
                    var (values, nested) = (new Dictionary<string, string>(), new HashSet<string>());
                    foreach (var property in row.EnumerateObject())
                    {
                        var isNested = property.Value.ValueKind is JsonValueKind.Object or JsonValueKind.Array;
                        if (isNested) faults.Add(new(number, reference, $"{property.Name} is {Name(property.Value.ValueKind)}, where a text or a number is expected"));
                        if (Known(property.Name, columns) is not { } column)
                            faults.Add(new(number, reference, $"it has '{property.Name}', which is not known: --help lists what is"));
                        else if (!values.TryAdd(column, property.Value.ToString().Trim()))
                            faults.Add(new(number, reference, $"it has {property.Name} twice"));
                        else if (isNested) nested.Add(column);
                    }
                    rows.Add(new(number, values) { Nested = nested });
                }
            }
            return (rows, faults);
        }
    }

    private static string Reference(JsonElement row) => row.ValueKind == JsonValueKind.Object
        ? row.EnumerateObject().Where(p => Plain(p.Name) == "reference" && p.Value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)).Select(p => p.Value.ToString().Trim()).FirstOrDefault("")
        : "";

    /// <summary>Null where nobody knows it: dropped in silence it would be missing for ever.</summary>
    private static string? Known(string name, IReadOnlyList<string> columns) => columns.FirstOrDefault(c => Plain(c) == Plain(name));

    private static string Plain(string name) => string.Concat(name.Where(char.IsAsciiLetterOrDigit)).ToLowerInvariant();

    private static string Name(JsonValueKind kind) => kind switch { JsonValueKind.Object => "an object", JsonValueKind.Array => "an array", _ => $"a {kind.ToString().ToLowerInvariant()}" };
}
