using System.Security.Cryptography;
using System.Text;
using Billing.Customers;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>
/// Names and addresses of customers, in the one table that may forget. Each row is a version under its salted hash; the salt is the
/// customer's, and goes with the last row.
/// </summary>
public sealed class PersonalDetails(NpgsqlDataSource database)
{
    /// <summary>The customer's salt, from before its first details on: whoever asks at the same time gets the same one. It has a row without details.</summary>
    public async Task<byte[]> Salt(string customerId, CancellationToken ct)
    {
        if (await Known() is { } salt) return salt;
        await using var first = database.CreateCommand("insert into billing.personal_details (customer_id, details_sha256, salt, details) values ($1, '', $2, '') on conflict do nothing");
        first.Parameters.Add(new() { Value = customerId });
        first.Parameters.Add(new() { Value = RandomNumberGenerator.GetBytes(CustomerDetails.SaltBytes) });
        await first.ExecuteNonQueryAsync(ct);
        return await Known() ?? throw new Refusal("customer_erased", $"the details of {customerId} were erased at this moment: create a new customer").AsException();

        async Task<byte[]?> Known()
        {
            await using var command = database.CreateCommand("select salt from billing.personal_details where customer_id = $1 order by details_sha256 limit 1");
            command.Parameters.Add(new() { Value = customerId });
            return (byte[]?)await command.ExecuteScalarAsync(ct);
        }
    }

    /// <summary>HMAC-SHA-256 of a note under the customer's salt, 64 hex digits.</summary>
    public static string NoteSha256(string note, byte[] salt) => Convert.ToHexStringLower(HMACSHA256.HashData(salt, Encoding.UTF8.GetBytes(note)));

    /// <summary>A note that stands with the details, such as a certificate or a tax number; null when it was erased.</summary>
    public async Task<string?> FindNote(string customerId, string noteSha256, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select details from billing.personal_details where customer_id = $1 and details_sha256 = $2");
        command.Parameters.Add(new() { Value = customerId });
        command.Parameters.Add(new() { Value = noteSha256 });
        return await command.ExecuteScalarAsync(ct) as string;
    }

    /// <summary>Written with the event that names its hash, unless the customer is erased first: whoever erases holds the customer, and so does this.</summary>
    public static void KeepNote(IDocumentSession session, string customerId, string note, byte[] salt)
    {
        session.QueueSqlCommand(HeldCustomers.Hold, customerId);
        session.QueueSqlCommand(
            "insert into billing.personal_details (customer_id, details_sha256, salt, details) select customer_id, ?, salt, ? from billing.personal_details where customer_id = ? and salt = ? limit 1 on conflict do nothing",
            NoteSha256(note, salt), note, customerId, salt);
    }

    /// <summary>One version of the details; null when there is none, or it was erased.</summary>
    public async Task<CustomerDetails?> Find(string customerId, string detailsSha256, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select details from billing.personal_details where customer_id = $1 and details_sha256 = $2");
        command.Parameters.Add(new() { Value = customerId });
        command.Parameters.Add(new() { Value = detailsSha256 });
        return await command.ExecuteScalarAsync(ct) is string json ? CustomerDetails.Parse(json) : null;
    }

    /// <summary>Written with the event that names the hash.</summary>
    public static void Keep(IDocumentSession session, string customerId, CustomerDetails details, byte[] salt) => session.QueueSqlCommand(
        "insert into billing.personal_details (customer_id, details_sha256, salt, details) values (?, ?, ?, ?) on conflict do nothing",
        customerId, details.Sha256(salt), salt, Encoding.UTF8.GetString(details.ToUtf8()));

    /// <summary>Deleted with the event that says so.</summary>
    public static void Erase(IDocumentSession session, string customerId) =>
        session.QueueSqlCommand("delete from billing.personal_details where customer_id = ?", customerId);
}
