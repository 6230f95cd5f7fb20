using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Kernel;

/// <summary>
/// Public ids: a prefix that names the kind, "_", and the 32 lower-case hex digits of a UUID whose first 48 bits are Unix
/// milliseconds, so that ids sort by time. New ids are UUIDv7; derived ids are UUIDv8 from SHA-256, so that doing a thing twice
/// yields the same id and collides instead of doubling.
/// </summary>
public static class Ids
{
    public const string Plan = "plan", Menu = "menu", Customer = "cus", Subscription = "sub", Period = "per", Invoice = "inv", Generation = "gen", Correction = "cor";

    private const int UuidBytes = 16;
    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    public static Guid NewGuid(DateTimeOffset at) => Guid.CreateVersion7(at);

    public static string New(string prefix, DateTimeOffset at) => Format(prefix, NewGuid(at));

    /// <summary>The id of the thing that <paramref name="parts"/> determine, dated <paramref name="at"/>.</summary>
    public static string Derive(string prefix, DateTimeOffset at, params ReadOnlySpan<string> parts) => Format(prefix, DeriveGuid(at, parts));

    public static Guid DeriveGuid(DateTimeOffset at, params ReadOnlySpan<string> parts)
    {
        // Length prefixes keep ("ab","c") apart from ("a","bc").
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var part in parts)
        {
            var bytes = Encoding.UTF8.GetBytes(part);
            BinaryPrimitives.WriteInt32BigEndian(length, bytes.Length);
            hash.AppendData(length);
            hash.AppendData(bytes);
        }
        Span<byte> uuid = stackalloc byte[32];
        hash.GetHashAndReset(uuid);
        uuid = uuid[..UuidBytes];
        BinaryPrimitives.WriteInt64BigEndian(uuid, (at.ToUnixTimeMilliseconds() << 16) | BinaryPrimitives.ReadUInt16BigEndian(uuid[6..]));
        uuid[6] = (byte)((uuid[6] & 0x0F) | 0x80);
        uuid[8] = (byte)((uuid[8] & 0x3F) | 0x80);
        return new Guid(uuid, bigEndian: true);
    }

    public static string Format(string prefix, Guid id) => $"{prefix}_{id:n}";

    /// <summary>Reads an id of the given kind. False for another prefix, upper case, dashes, or anything but 32 hex digits.</summary>
    public static bool TryParse(string prefix, string? text, out Guid id)
    {
        id = default;
        if (text is null || text.Length != prefix.Length + 33 || !text.StartsWith(prefix, StringComparison.Ordinal) || text[prefix.Length] != '_')
            return false;
        var digits = text.AsSpan(prefix.Length + 1);
        return !digits.ContainsAnyExcept(HexDigits) && Guid.TryParseExact(digits, "N", out id);
    }

    /// <exception cref="FormatException">The text is not an id of this kind.</exception>
    public static Guid Parse(string prefix, string? text) => TryParse(prefix, text, out var id)
        ? id
        : throw new FormatException($"'{text}' is not a {prefix}_ id: expected {prefix}_ and 32 lower-case hex digits");

    /// <summary>The time inside an id (millisecond precision).</summary>
    public static DateTimeOffset TimeOf(Guid id)
    {
        Span<byte> bytes = stackalloc byte[UuidBytes];
        id.TryWriteBytes(bytes, bigEndian: true, out _);
        return DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(bytes) >>> 16);
    }
}
