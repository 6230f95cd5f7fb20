using System.Text.Json;

namespace Billing.Audit;

/// <param name="Path">into the JSON, such as /account/credit/0/left</param>
/// <param name="Before">as JSON; empty where there was nothing</param>
/// <param name="After">as JSON; empty where there is nothing</param>
public sealed record JsonChange(string Path, string Before, string After);

/// <summary>Every value that differs between two JSON texts.</summary>
public static class JsonChanges
{
    public static IReadOnlyList<JsonChange> Between(string before, string after)
    {
        var (a, b) = (Values(before), Values(after));
        return [.. a.Keys.Union(b.Keys).Where(path => a.GetValueOrDefault(path) != b.GetValueOrDefault(path))
            .Select(path => new JsonChange(path, a.GetValueOrDefault(path, ""), b.GetValueOrDefault(path, "")))];
    }

    /// <summary>The leaves of a JSON text by their path, in its order. Empty objects and lists are leaves too.</summary>
    public static IReadOnlyDictionary<string, string> Values(string json)
    {
        var values = new Dictionary<string, string>();
        using var document = JsonDocument.Parse(json);
        Walk("", document.RootElement, values);
        return values;
    }

    private static void Walk(string path, JsonElement e, Dictionary<string, string> into)
    {
        var inner = e.ValueKind switch
        {
            JsonValueKind.Object => e.EnumerateObject().Select(p => (Path: $"{path}/{p.Name}", p.Value)),
            JsonValueKind.Array => e.EnumerateArray().Select((x, i) => (Path: FormattableString.Invariant($"{path}/{i}"), Value: x)),
            _ => [],
        };
        var any = false;
        foreach (var (at, value) in inner)
        {
            any = true;
            Walk(at, value, into);
        }
        if (!any && path.Length > 0) into[path] = e.GetRawText();
    }
}
