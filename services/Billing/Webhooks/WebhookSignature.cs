using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Billing.Webhooks;

/// <summary>The symmetric signature of Standard Webhooks (standardwebhooks.com, specification 1.0): HMAC-SHA-256 over "id.timestamp.body", in base64 behind "v1,".</summary>
public static class WebhookSignature
{
    public const string IdHeader = "webhook-id", TimestampHeader = "webhook-timestamp", SignatureHeader = "webhook-signature";
    public const string SecretPrefix = "whsec_";
    public const int SecretBytes = 32;

    /// <summary>How long an old secret signs beside the new one.</summary>
    public static readonly TimeSpan Overlap = TimeSpan.FromDays(1);

    /// <summary>How far a receiver lets the timestamp lie from its own clock.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    public static string Secret(byte[] random) => SecretPrefix + Convert.ToBase64String(random);

    /// <param name="secrets">whsec_…; the newest first: a signature for each, separated by spaces</param>
    /// <param name="timestamp">seconds since 1970, of this attempt, by the real clock</param>
    public static string Sign(IEnumerable<string> secrets, string id, long timestamp, ReadOnlySpan<byte> body)
    {
        byte[] signed = [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}.")), .. body];
        return string.Join(' ', secrets.Select(s => "v1," + Convert.ToBase64String(HMACSHA256.HashData(Key(s), signed))));
    }

    /// <summary>Whether one of the signatures of a header is this secret's.</summary>
    public static bool Verify(string secret, string id, long timestamp, ReadOnlySpan<byte> body, string signatures)
    {
        var expected = Encoding.UTF8.GetBytes(Sign([secret], id, timestamp, body));
        return signatures.Split(' ').Any(s => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(s), expected));
    }

    /// <exception cref="FormatException">It is not whsec_ and base64.</exception>
    private static byte[] Key(string secret) => secret.StartsWith(SecretPrefix, StringComparison.Ordinal)
        ? Convert.FromBase64String(secret[SecretPrefix.Length..])
        : throw new FormatException("a webhook secret is whsec_ and base64");
}
