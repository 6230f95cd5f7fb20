using System.Text.Json;

namespace PlanDesign;

/// <summary>
/// The fields of one JSON object, each asked for by name and type; what was not asked for is refused, so that a misspelt option is never
/// ignored.
/// </summary>
internal sealed class JsonFields
{
    private readonly Dictionary<string, JsonElement> _fields = [];
    private readonly HashSet<string> _asked = [];
    private readonly string _path;

    public JsonFields(JsonElement element, string path)
    {
        _path = path;
        if (element.ValueKind != JsonValueKind.Object) throw Wrong(path.Length == 0 ? "market" : path, element, "an object");
        foreach (var property in element.EnumerateObject())
            if (!_fields.TryAdd(NameOf(property), property.Value)) throw new InputFaultException(Named(property.Name), "is given twice");
    }

    public JsonFields Object(string name) => new(Required(name), Named(name));

    public string Text(string name) =>
        Required(name) is { ValueKind: JsonValueKind.String } e ? TextOf(e, Named(name)) : throw Wrong(Named(name), Required(name), "a text");

    public double Number(string name) => Number(Required(name), Named(name));

    public int Count(string name) => Integer(Required(name), Named(name));

    /// <summary>A whole number of any size that 64 bits hold.</summary>
    public long Whole(string name) =>
        Required(name) is { ValueKind: JsonValueKind.Number } e && e.TryGetInt64(out var whole) ? whole : throw Wrong(Named(name), Required(name), "a whole number");

    public int? OptionalCount(string name)
    {
        _asked.Add(name);
        if (!_fields.TryGetValue(name, out var element) || element.ValueKind == JsonValueKind.Null) return null;
        return Integer(element, Named(name));
    }

    public double? OptionalNumber(string name) => IsGiven(name) ? Number(name) : null;

    public JsonFields? OptionalObject(string name) => IsGiven(name) ? Object(name) : null;

    public bool OptionalFlag(string name) => IsGiven(name) && Flag(Required(name), Named(name));

    public string? OptionalText(string name) => IsGiven(name) ? Text(name) : null;

    /// <summary>Present, and not null.</summary>
    public bool IsGiven(string name)
    {
        _asked.Add(name);
        return _fields.TryGetValue(name, out var element) && element.ValueKind != JsonValueKind.Null;
    }

    public bool IsList(string name) => IsGiven(name) && _fields[name].ValueKind == JsonValueKind.Array;

    public double[] Numbers(string name) => Items(name, Number);

    /// <summary>Numbers, with null for one without bound.</summary>
    public double[] NumbersOrEndless(string name) =>
        Items(name, (e, field) => e.ValueKind == JsonValueKind.Null ? double.PositiveInfinity : Number(e, field));

    public JsonFields[] Objects(string name) => Items(name, (e, field) => new JsonFields(e, field));
    public string[] Texts(string name) =>
        Items(name, (e, field) => e.ValueKind == JsonValueKind.String ? TextOf(e, field) : throw new InputFaultException(field, "is no text"));

    public int[] Integers(string name) => Items(name, Integer);
    public bool[]? OptionalFlags(string name) => _fields.ContainsKey(name) ? Items(name, Flag) : null;
    public void Ignore(string name) => _asked.Add(name);

    public void RefuseTheRest()
    {
        if (_fields.Keys.FirstOrDefault(k => !_asked.Contains(k)) is { } unknown)
            throw new InputFaultException(Named(unknown), $"is not a field here; known are {string.Join(", ", _asked)}");
    }

    public string Named(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    private JsonElement Required(string name)
    {
        _asked.Add(name);
        return _fields.TryGetValue(name, out var element) ? element : throw new InputFaultException(Named(name), "is missing");
    }

    private T[] Items<T>(string name, Func<JsonElement, string, T> read)
    {
        var array = Required(name);
        if (array.ValueKind != JsonValueKind.Array) throw Wrong(Named(name), array, "a list");
        var items = new T[array.GetArrayLength()];
        var n = 0;
        foreach (var element in array.EnumerateArray())
        {
            items[n] = read(element, $"{Named(name)}[{n}]");
            n++;
        }
        return items;
    }

    /// <summary>Half of a surrogate pair is JSON and yet no text.</summary>
    private static string TextOf(JsonElement e, string field)
    {
        try
        {
            return e.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Wrong(field, e, "a text in Unicode");
        }
    }

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new InputFaultException(_path.Length == 0 ? "market" : _path, $"has a field after {(_fields.Count == 0 ? "its beginning" : _fields.Keys.Last())} whose name is no Unicode");
        }
    }

    private static double Number(JsonElement e, string field) =>
        e.ValueKind == JsonValueKind.Number && e.TryGetDouble(out var value) && double.IsFinite(value)
            ? value : throw Wrong(field, e, "a finite number");

    private static int Integer(JsonElement e, string field) =>
        e.ValueKind == JsonValueKind.Number && e.TryGetDouble(out var value) && value == Math.Floor(value) && Math.Abs(value) <= int.MaxValue
            ? (int)value : throw Wrong(field, e, "a whole number");

    private static bool Flag(JsonElement e, string field) =>
        e.ValueKind is JsonValueKind.True or JsonValueKind.False ? e.GetBoolean() : throw Wrong(field, e, "true or false");

    private static InputFaultException Wrong(string field, JsonElement element, string expected)
    {
        var raw = element.GetRawText();
        return new(field, $"is {(raw.Length > 40 ? raw[..40] + "…" : raw)}, expected {expected}");
    }
}

/// <summary>Carries a fault out of the nested readers; it never leaves this project.</summary>
internal sealed class InputFaultException(string field, string detail) : Exception($"{field}: {detail}")
{
    public InputFault Fault { get; } = new(field, detail);
}
