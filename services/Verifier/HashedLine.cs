using System.Security.Cryptography;
using System.Text;

namespace Verifier;

/// <summary>How lines of exports and proofs end: with the running hash of everything up to and including them.</summary>
internal static class HashedLine
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

    public static string Sha256(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
