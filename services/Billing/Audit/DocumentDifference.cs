using System.Text.Json;

namespace Billing.Audit;

/// <summary>Where two canonical documents part, as a path into the JSON with both values.</summary>
public static class DocumentDifference
{
    /// <summary>Null when the texts are the same.</summary>
    public static string? First(string stored, string replayed)
    {
        if (stored == replayed) return null;
        try
        {
            using var a = JsonDocument.Parse(stored);
            using var b = JsonDocument.Parse(replayed);
            return First("", a.RootElement, b.RootElement) ?? "the same values in other bytes";
        }
        catch (JsonException e)
        {
            return $"the stored document is not JSON: {e.Message}";
        }
    }

    private static string? First(string path, JsonElement a, JsonElement b)
    {
        if (a.ValueKind != b.ValueKind) return Say(path, a, b);
        switch (a.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var name in a.EnumerateObject().Concat(b.EnumerateObject()).Select(p => p.Name).Distinct())
                {
                    var (inA, inB) = (a.TryGetProperty(name, out var x), b.TryGetProperty(name, out var y));
                    if (inA != inB) return $"{path}/{name} is only in the {(inA ? "stored" : "replayed")} document";
                    if (First($"{path}/{name}", x, y) is { } inside) return inside;
                }
                return null;
            case JsonValueKind.Array:
                for (var i = 0; i < Math.Min(a.GetArrayLength(), b.GetArrayLength()); i++)
                    if (First($"{path}/{i}", a[i], b[i]) is { } inside) return inside;
                return a.GetArrayLength() == b.GetArrayLength() ? null : $"{path} has {a.GetArrayLength()} items stored and {b.GetArrayLength()} replayed";
            default:
                return a.GetRawText() == b.GetRawText() ? null : Say(path, a, b);
        }
    }

    private static string Say(string path, JsonElement a, JsonElement b) => $"{path} is {a.GetRawText()} stored and {b.GetRawText()} replayed";
}
