using System.Text.Json;

namespace Billing.Documents;

internal static class JsonText
{
    /// <summary>A text of a canonical document; empty where it has none.</summary>
    public static string Text(JsonElement e, string name) => e.TryGetProperty(name, out var text) ? text.GetString()! : "";
}
