using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Billing.Invoices;

/// <summary>One text for one document: properties in the order they are written, no white space, times as ISO 8601 in UTC.</summary>
public static class CanonicalJson
{
    public static byte[] Write(Action<Utf8JsonWriter> content)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        // The relaxed encoder leaves names readable; what it must escape it escapes in one way only.
        using (var json = new Utf8JsonWriter(buffer, new() { Indented = false, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);
}
