using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Hosting;

/// <summary>A key as a service knows it: never its text, only the SHA-256 of that.</summary>
/// <param name="Id">key_ and 32 hex digits</param>
/// <param name="Name">who calls with it; several keys of one caller have one name</param>
/// <param name="CustomerId">whose data it sees; null unless its scope is customer</param>
/// <param name="Sha256">of the key's text, 64 lower-case hex digits</param>
/// <param name="Configured">it stands in Access__Keys, not in the table</param>
public sealed partial record AccessKey(string Id, string Name, Scope Scopes, string? CustomerId, string Sha256, string Shown, bool Configured = false)
{
    public const string Prefix = "key", TextPrefix = "bk_live_";

    /// <summary>How many characters of a key's text lists show: too few to guess the rest by.</summary>
    public const int ShownLength = 12;

    private const int SecretBytes = 32;

    public DateTimeOffset? CreatedAt { get; init; }
    public DateTimeOffset? RevokedAt { get; init; }
    public string CreatedBy { get; init; } = "";
    public string RevokedBy { get; init; } = "";

    /// <summary>bk_live_ and 256 random bits in hex. Whoever makes it must show it once, and may keep its hash.</summary>
    public static string NewText() => TextPrefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes));

    // 256 random bits need no salt and no slow hash: nobody guesses them.
    public static string Sha256Of(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    public static string ShownOf(string text) => text[..ShownLength];

    /// <exception cref="FormatException">What is wrong with it.</exception>
    public AccessKey Checked()
    {
        if (!Ids.TryParse(Prefix, Id, out _)) throw new FormatException($"key_id must be {Prefix}_ and 32 lower-case hex digits");
        if (!NameForm().IsMatch(Name)) throw new FormatException("name must be 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit");
        if (!HashForm().IsMatch(Sha256)) throw new FormatException("sha256 must be the SHA-256 of the key's text: 32 bytes, 64 lower-case hex digits");
        if (Shown.Length > ShownLength) throw new FormatException($"shown must have at most {ShownLength} characters: the key itself must not come here");
        if (Scopes.HasFlag(Scope.Customer) != (CustomerId is not null)) throw new FormatException("customer_id belongs to the scope customer, and the scope customer to a customer_id");
        if (CustomerId is not null) Ids.Parse(Ids.Customer, CustomerId);
        return this;
    }

    /// <summary>An entry of Access__Keys: NAME:SCOPE[+SCOPE]:SHA256[:CUSTOMER].</summary>
    /// <exception cref="FormatException">It is not one.</exception>
    public static AccessKey Parse(string entry)
    {
        var parts = entry.Split(':');
        if (parts.Length is not (3 or 4)) throw new FormatException("expected NAME:SCOPE:SHA256");
        var (name, sha256) = (parts[0], parts[2]);
        return new AccessKey(
            Ids.Derive(Prefix, DateTimeOffset.UnixEpoch, name, sha256), name, Hosting.Scopes.Parse(parts[1].Split('+')), parts.Length == 4 ? parts[3] : null, sha256, "", Configured: true).Checked();
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9._-]{0,63}$")]
    private static partial Regex NameForm();

    [GeneratedRegex("^[0-9a-f]{64}$")]
    private static partial Regex HashForm();
}
