using System.Text;
using System.Text.Json;
using NSec.Cryptography;
using PlanDesign.Menus;

namespace PlanDesign.Host;

/// <summary>What verification found of a file. Nothing found is all well.</summary>
/// <param name="Document">Null where the file cannot be read so far.</param>
/// <param name="PublicKey">Base64, as the file names it.</param>
public sealed record SignatureCheck(MenuDocument? Document, string PublicKey, IReadOnlyList<MenuFinding> Findings);

/// <summary>
/// A published menu as a file that proves itself: <c>{"menu":…,"digests":{path:SHA-256…},"signature":{"algorithm","publicKey","value","digestsValue"}}</c>,
/// one line and a newline. Two signatures by one key, over the bytes of the menu and over those of the digests, so that when one no longer
/// fits, the other still says which field was altered. Offline: nothing but the file is needed.
/// </summary>
public static class SignedMenu
{
    /// <summary>What is signed begins with its kind, so that a signature of one kind is none of another.</summary>
    internal const string DocumentTag = "plan-design menu 1\n", DigestsTag = "plan-design digests 1\n";

    public static string Write(MenuDocument document, MenuSignature signature)
    {
        var bytes = document.ToBytes();
        return Envelope(Encoding.UTF8.GetString(bytes), DigestsOf(bytes), signature.PublicKey, signature.Value, signature.DigestsValue);
    }

    /// <summary>The bytes as they are; nothing is recomputed but digests. Recomputing the economics is <see cref="MenuVerification"/>.</summary>
    public static SignatureCheck Check(ReadOnlyMemory<byte> file)
    {
        JsonDocument parsed;
        try
        {
            parsed = JsonDocument.Parse(file);
        }
        catch (JsonException e)
        {
            return Unreadable($"byte {e.BytePositionInLine}", "is where this stops being JSON");
        }
        using (parsed)
        {
            if (NoUnicode(file.Span) is { } at) return Unreadable($"byte {at}", "is where a text begins that is no Unicode: a half of a surrogate pair without the other");
            var root = parsed.RootElement;
            foreach (var field in new[] { "menu", "digests", "signature" })
                if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(field, out var part) || part.ValueKind != JsonValueKind.Object)
                    return Unreadable(field, "is missing: expected a file that billing menu show --out wrote");
            foreach (var field in new[] { "algorithm", "publicKey", "value", "digestsValue" })
                if (!root.GetProperty("signature").TryGetProperty(field, out var text) || text.ValueKind != JsonValueKind.String)
                    return Unreadable($"signature.{field}", "is missing");
            return Check(file, root);
        }
    }

    /// <summary>Where the first text or name begins that cannot be read as one, though it is JSON; null where there is none.</summary>
    private static long? NoUnicode(ReadOnlySpan<byte> file)
    {
        var reader = new Utf8JsonReader(file);
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName)) continue;
            try
            {
                _ = reader.GetString();
            }
            catch (InvalidOperationException)
            {
                return reader.TokenStartIndex;
            }
        }
        return null;
    }

    private static SignatureCheck Check(ReadOnlyMemory<byte> file, JsonElement root)
    {
        string Text(string field) => root.GetProperty("signature").GetProperty(field).GetString()!;
        var (menu, publicKey) = (root.GetProperty("menu").GetRawText(), Text("publicKey"));
        var (document, fault) = MenuDocument.Read(root.GetProperty("menu"));
        var findings = new List<MenuFinding>();
        if (fault is not null) findings.Add(new(fault.Field, fault.Detail));
        if (Text("algorithm") != "Ed25519") findings.Add(new("signature.algorithm", $"is {Text("algorithm")}, expected Ed25519"));

        var given = root.GetProperty("digests").EnumerateObject().Select(p => new FieldDigest(p.Name, p.Value.ToString())).ToArray();
        var digests = Digests(given);
        var (menuHolds, digestsHold) = (Holds(publicKey, Text("value"), DocumentTag, menu), Holds(publicKey, Text("digestsValue"), DigestsTag, digests));
        FieldDigest[] found = [.. MenuDocument.Digests(root.GetProperty("menu"))];
        var differing = Differing(given, found);
        if (menuHolds && !digestsHold)
            findings.AddRange(differing.Length == 0 ? [new("signature.digestsValue", "was altered")] : differing.Select(path => new MenuFinding($"digests.{path}", "was altered")));
        else if (!menuHolds && digestsHold)
            findings.AddRange(differing.Length > 0 ? differing.Select(path => new MenuFinding(path, "was altered: it is not what was signed"))
                : document is not null && menu == Encoding.UTF8.GetString(document.ToBytes()) ? [new("signature.value", "was altered")]
                : [new("menu", "was altered between its fields, or their order was")]);
        else if (!menuHolds)
        {
            findings.Add(new("signature", differing.Length == 0 ? "does not fit: the public key was altered, or somebody else wrote this file" : "does not fit, neither the menu nor its digests"));
            findings.AddRange(differing.Select(path => new MenuFinding(path, "does not fit its digest")));
        }
        // Whoever signs may sign more than is read, or write it otherwise: a menu has one form only.
        if (menuHolds && digestsHold && document?.ToBytes() is { } plain && !Encoding.UTF8.GetBytes(menu).AsSpan().SequenceEqual(plain))
            findings.Add(new("menu", $"is not written as menus are, from byte {Encoding.UTF8.GetBytes(menu).AsSpan().CommonPrefixLength(plain)} of it on"));
        // What lies between the fields, byte by byte: a file has one form only.
        var canonical = Encoding.UTF8.GetBytes(Envelope(menu, digests, publicKey, Text("value"), Text("digestsValue")));
        if (findings.Count == 0 && !file.Span.SequenceEqual(canonical))
            findings.Add(new($"byte {file.Span.CommonPrefixLength(canonical)}", "was altered, added or removed outside the fields"));
        return new(document, publicKey, findings);
    }

    internal static string DigestsOf(byte[] document)
    {
        using var parsed = JsonDocument.Parse(document);
        return Digests(MenuDocument.Digests(parsed.RootElement));
    }

    internal static byte[] Tagged(string tag, ReadOnlySpan<byte> bytes) => [.. Encoding.UTF8.GetBytes(tag), .. bytes];

    private static string[] Differing(FieldDigest[] given, FieldDigest[] found)
    {
        var said = given.GroupBy(d => d.Path).ToDictionary(g => g.Key, g => g.Last().Sha256);
        return
        [
            .. found.Where(d => !said.TryGetValue(d.Path, out var sha256) || sha256 != d.Sha256).Select(d => d.Path),
            .. said.Keys.Except(found.Select(d => d.Path)),
        ];
    }

    private static bool Holds(string publicKey, string signature, string tag, string text)
    {
        var (key, value) = (new byte[64], new byte[96]);
        return FromBase64(publicKey, key, out var keyLength) && FromBase64(signature, value, out var length)
            && PublicKey.TryImport(SignatureAlgorithm.Ed25519, key.AsSpan(0, keyLength), KeyBlobFormat.RawPublicKey, out var imported)
            && SignatureAlgorithm.Ed25519.Verify(imported!, Tagged(tag, Encoding.UTF8.GetBytes(text)), value.AsSpan(0, length));
    }

    /// <summary>Only as base64 is written: white space and other last bits give the same bytes, and would make two files of one menu.</summary>
    private static bool FromBase64(string text, byte[] bytes, out int length) =>
        Convert.TryFromBase64String(text, bytes, out length) && Convert.ToBase64String(bytes, 0, length) == text;

    private static string Digests(IEnumerable<FieldDigest> digests)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            json.WriteStartObject();
            foreach (var digest in digests) json.WriteString(digest.Path, digest.Sha256);
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static string Envelope(string menu, string digests, string publicKey, string value, string digestsValue) =>
        $$$"""{"menu":{{{menu}}},"digests":{{{digests}}},"signature":{"algorithm":"Ed25519","publicKey":"{{{publicKey}}}","value":"{{{value}}}","digestsValue":"{{{digestsValue}}}"}}""" + "\n";

    private static SignatureCheck Unreadable(string field, string detail) => new(null, "", [new(field, detail)]);
}
