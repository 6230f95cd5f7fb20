using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Billing.Tests.Documents;

/// <summary>
/// A published schema, and whether a document is by it. It knows the words of JSON Schema 2020-12 that ours use, and no others: one that it does not know fails, so that none is passed over.
/// </summary>
internal sealed class PublishedSchema(string name)
{
    private static readonly string[] Annotations = ["$schema", "$id", "$defs", "title", "description"];
    private readonly JsonElement _root = JsonDocument.Parse(File.ReadAllText(Path.Combine(Checkout.Root, "contracts/documents", name))).RootElement;

    public JsonElement Root => _root;

    /// <returns>what is not by the schema, each with its path into the document; nothing where all is</returns>
    public IReadOnlyList<string> Faults(ReadOnlyMemory<byte> document)
    {
        using var json = JsonDocument.Parse(document);
        return [.. Faults(_root, json.RootElement, "")];
    }

    private IEnumerable<string> Faults(JsonElement schema, JsonElement value, string path)
    {
        var known = schema.TryGetProperty("properties", out var properties) ? properties.EnumerateObject().ToDictionary(p => p.Name, p => p.Value) : [];
        foreach (var word in schema.EnumerateObject().Where(w => !Annotations.Contains(w.Name)))
            foreach (var fault in Of(word, value, path, known)) yield return fault;
    }

    private IEnumerable<string> Of(JsonProperty word, JsonElement value, string path, Dictionary<string, JsonElement> known)
    {
        var (asked, isObject, isText, isNumber) = (word.Value, value.ValueKind == JsonValueKind.Object, value.ValueKind == JsonValueKind.String, value.ValueKind == JsonValueKind.Number);
        IEnumerable<string> Unless(bool holds, string told) => holds ? [] : [$"{path} {told}: {value.GetRawText()}"];
        return word.Name switch
        {
            "type" => Unless(IsOf(asked.GetString()!, value), $"is no {asked.GetString()}"),
            "const" => Unless(JsonElement.DeepEquals(asked, value), $"is not {asked.GetRawText()}"),
            "enum" => Unless(asked.EnumerateArray().Any(a => JsonElement.DeepEquals(a, value)), "is none of those that are allowed"),
            "pattern" => Unless(!isText || Regex.IsMatch(value.GetString()!, asked.GetString()!, RegexOptions.ECMAScript), $"is not like {asked.GetString()}"),
            "format" when asked.GetString() == "date" => Unless(!isText || DateOnly.TryParseExact(value.GetString(), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _), "is no date"),
            "minimum" => Unless(!isNumber || value.GetDecimal() >= asked.GetDecimal(), $"is below {asked.GetRawText()}"),
            "maximum" => Unless(!isNumber || value.GetDecimal() <= asked.GetDecimal(), $"is above {asked.GetRawText()}"),
            "required" => isObject ? asked.EnumerateArray().Where(r => !value.TryGetProperty(r.GetString()!, out _)).Select(r => $"{path}/{r.GetString()} is missing") : [],
            "properties" => isObject ? value.EnumerateObject().Where(p => known.ContainsKey(p.Name)).SelectMany(p => Faults(known[p.Name], p.Value, $"{path}/{p.Name}")) : [],
            "additionalProperties" when asked.ValueKind == JsonValueKind.False => isObject ? value.EnumerateObject().Where(p => !known.ContainsKey(p.Name)).Select(p => $"{path}/{p.Name} has no place") : [],
            "items" => value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().SelectMany((item, i) => Faults(asked, item, string.Create(CultureInfo.InvariantCulture, $"{path}/{i}"))) : [],
            "$ref" when asked.GetString() is { } to && to.StartsWith("#/$defs/", StringComparison.Ordinal) => Faults(_root.GetProperty("$defs").GetProperty(to["#/$defs/".Length..]), value, path),
            _ => throw new NotSupportedException($"'{word.Name}': {asked.GetRawText()} is no word of a schema that is known here: teach it to PublishedSchema"),
        };
    }

    private static bool IsOf(string type, JsonElement value) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "integer" => value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var number) && number == decimal.Truncate(number),
        _ => throw new NotSupportedException($"'{type}' is no type that is known here"),
    };
}
