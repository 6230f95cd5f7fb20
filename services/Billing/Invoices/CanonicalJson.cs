using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Billing.Invoices;

/// <summary>One text for one document: properties in the order they are written, no white space, times as ISO 8601 in UTC.</summary>
public static class CanonicalJson
{
    public static byte[] Write(Action<Utf8JsonWriter> content)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        // The relaxed encoder leaves names readable; what it must escape it escapes in one way only. What it must is told by the runtime's table of Unicode, which grows.
        using (var json = new Utf8JsonWriter(buffer, new() { Indented = false, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }
        return Pinned(buffer.WrittenSpan);
    }

    /// <summary>What a later runtime leaves as it is and that of the first document did not is escaped as that one did. A character that is assigned once stays so: nothing is the other way round.</summary>
    private static byte[] Pinned(ReadOnlySpan<byte> json)
    {
        if (json.IndexOfAnyExceptInRange((byte)0, (byte)0x7F) < 0) return json.ToArray();
        var text = new ArrayBufferWriter<byte>(json.Length + 64);
        Span<char> units = stackalloc char[2];
        for (int ascii; (ascii = json.IndexOfAnyExceptInRange((byte)0, (byte)0x7F)) >= 0;)
        {
            text.Write(json[..ascii]);
            json = json[ascii..];
            Rune.DecodeFromUtf8(json, out var rune, out var length);
            if (ReadableCharacters.Has(rune.Value)) text.Write(json[..length]);
            else
                foreach (var unit in units[..rune.EncodeToUtf16(units)])
                    text.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"\\u{(int)unit:X4}")));
            json = json[length..];
        }
        text.Write(json);
        return text.WrittenSpan.ToArray();
    }

    public static string Time(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture);
}
