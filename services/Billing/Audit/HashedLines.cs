using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Billing.Audit;

/// <summary>Lines of JSON whose every one ends with the running hash of all up to and including itself, so that one altered byte is found at its line.</summary>
public sealed class HashedLines
{
    private byte[] _hash = new byte[SHA256.HashSizeInBytes];

    public long Count { get; private set; }

    public string Next(string kind, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("kind", kind);
            write(json);
            json.WriteEndObject();
        }
        var open = buffer.WrittenSpan[..^1];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(_hash);
        hash.AppendData(open);
        _hash = hash.GetHashAndReset();
        Count++;
        return $"{Encoding.UTF8.GetString(open)},\"hash\":\"{Convert.ToHexStringLower(_hash)}\"}}";
    }

    public string End()
    {
        var before = Count;
        return Next("end", json => json.WriteNumber("linesBefore", before));
    }
}
