using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Billing.Audit;

/// <summary>
/// The verifier's own reading of the layouts: written from their description, not from the writer's code, so that a fault in one
/// does not excuse itself in the other.
/// </summary>
internal static class ExportHashing
{
    private const string Tail = ",\"hash\":\"";
    private static readonly int TailLength = Tail.Length + 64 + 2;

    /// <summary>The running hash after this line, and whether the line says the same; null if it does not even end as a line must.</summary>
    public static (byte[] Hash, bool Agrees)? Running(byte[] before, string line)
    {
        if (line.Length < TailLength || !line.EndsWith("\"}", StringComparison.Ordinal)) return null;
        var cut = line.Length - TailLength;
        if (line.AsSpan(cut, Tail.Length) is not Tail) return null;
        var hash = SHA256.HashData([.. before, .. Encoding.UTF8.GetBytes(line[..cut])]);
        return (hash, line.AsSpan(cut + Tail.Length, 64).SequenceEqual(Convert.ToHexStringLower(hash)));
    }

    public static byte[] Leaf(JsonElement e)
    {
        using var bytes = new MemoryStream();
        Number(bytes, e.GetProperty("sequence").GetInt64(), 8);
        Text(bytes, e.GetProperty("stream").GetString()!);
        Number(bytes, e.GetProperty("version").GetInt64(), 8);
        Text(bytes, e.GetProperty("type").GetString()!);
        Text(bytes, e.GetProperty("data").GetString()!);
        return SHA256.HashData([0x00, .. bytes.ToArray()]);
    }

    public static string Sha256(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static void Text(MemoryStream to, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Number(to, bytes.Length, 4);
        to.Write(bytes);
    }

    private static void Number(MemoryStream to, long value, int length)
    {
        for (var i = length - 1; i >= 0; i--) to.WriteByte((byte)((value >> (8 * i)) & 0xFF));
    }
}
