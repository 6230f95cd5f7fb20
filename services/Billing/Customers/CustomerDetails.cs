using System.Security.Cryptography;
using System.Text.Json;

namespace Billing.Customers;

/// <summary>
/// Who a customer is, for people: printed on documents, never in an event, so that it can be erased. Events hold its salted hash; whoever
/// has details and salt can prove that a document was for them, and without the salt nobody can guess them.
/// </summary>
/// <param name="Lines">street and the like, as printed</param>
/// <param name="TaxId">the number of a tax identity, as printed</param>
public sealed record CustomerDetails(
    string Name, string Email, ValueList<string> Lines, string PostalCode, string City, string Country, string TaxId)
{
    public const int TextBytesMax = 4_096, SaltBytes = 32;

    /// <summary>One form for one content: properties in this order, no white space.</summary>
    public byte[] ToUtf8() => JsonSerializer.SerializeToUtf8Bytes(this, JsonSerializerOptions.Web);

    public static CustomerDetails Parse(string json) =>
        JsonSerializer.Deserialize<CustomerDetails>(json, JsonSerializerOptions.Web) ?? throw new JsonException("the stored details are null");

    /// <summary>HMAC-SHA-256 under the customer's salt, 64 hex digits.</summary>
    public string Sha256(byte[] salt) => Convert.ToHexStringLower(HMACSHA256.HashData(salt, ToUtf8()));
}
