using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace RuntimeClient;

/// <summary>
/// Ids of generations: gen_ and the 32 hex digits of a UUIDv7. A producer that retries must come back with the id it had, or its usage is
/// counted twice; so an id is either minted once and kept, or derived from what is the same in every attempt.
/// </summary>
public static class GenerationId
{
    private const int UuidBytes = 16;

    /// <summary>A fresh id. Keep it with the request: a retry that mints another is another generation.</summary>
    public static string New(DateTimeOffset at)
    {
        Span<byte> random = stackalloc byte[UuidBytes];
        RandomNumberGenerator.Fill(random);
        return Format(at, random);
    }

    /// <summary>The id of the generation that <paramref name="parts"/> determine: the same in every attempt, on every machine.</summary>
    /// <param name="requestedAt">when the request was received, kept over retries; at most 5 minutes ahead of the meter's clock, and not behind its retention</param>
    /// <param name="parts">what names the request and never changes: the caller, its request id, the turn</param>
    public static string Derive(DateTimeOffset requestedAt, params ReadOnlySpan<string> parts)
    {
        if (parts.IsEmpty) throw new ArgumentException("name the request: without parts, all requests of one millisecond would be one generation", nameof(parts));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var part in parts)
        {
            // Length prefixes keep ("ab","c") apart from ("a","bc").
            var bytes = Encoding.UTF8.GetBytes(part);
            BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }
        Span<byte> digest = stackalloc byte[32];
        hash.GetHashAndReset(digest);
        return Format(requestedAt, digest[..UuidBytes]);
    }

    private static string Format(DateTimeOffset at, Span<byte> uuid)
    {
        BinaryPrimitives.WriteInt64BigEndian(uuid, (at.ToUnixTimeMilliseconds() << 16) | BinaryPrimitives.ReadUInt16BigEndian(uuid[6..]));
        // RFC 9562: version 7, whose last 74 bits may be anything that is unique.
        uuid[6] = (byte)((uuid[6] & 0x0F) | 0x70);
        uuid[8] = (byte)((uuid[8] & 0x3F) | 0x80);
        return $"gen_{new Guid(uuid, bigEndian: true):n}";
    }
}
