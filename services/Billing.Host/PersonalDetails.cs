using System.Security.Cryptography;
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
    /// <summary>The customer's salt, or a new one for a customer without details.</summary>
    public async Task<byte[]> Salt(string customerId, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select salt from billing.personal_details where customer_id = $1 limit 1");
        command.Parameters.Add(new() { Value = customerId });
        return (byte[]?)await command.ExecuteScalarAsync(ct) ?? RandomNumberGenerator.GetBytes(CustomerDetails.SaltBytes);
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
        customerId, details.Sha256(salt), salt, System.Text.Encoding.UTF8.GetString(details.ToUtf8()));

    /// <summary>Deleted with the event that says so.</summary>
    public static void Erase(IDocumentSession session, string customerId) =>
        session.QueueSqlCommand("delete from billing.personal_details where customer_id = ?", customerId);
}
