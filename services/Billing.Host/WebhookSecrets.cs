using System.Security.Cryptography;
using Billing.Webhooks;
using Marten;
using Npgsql;

namespace Billing.Host;

/// <summary>What deliveries are signed with, in a table that auditors do not read.</summary>
public sealed class WebhookSecrets(NpgsqlDataSource database)
{
    public static string New() => WebhookSignature.Secret(RandomNumberGenerator.GetBytes(WebhookSignature.SecretBytes));

    /// <summary>Written with the event that says so: the secret that holds from now on.</summary>
    /// <param name="oldUntil">until when the one before signs too, in business time</param>
    public static void Keep(IDocumentSession session, string endpointId, string secret, DateTimeOffset at, DateTimeOffset oldUntil)
    {
        session.QueueSqlCommand("update billing.webhook_secret set valid_until = least(valid_until, ?) where endpoint_id = ?", oldUntil, endpointId);
        session.QueueSqlCommand("delete from billing.webhook_secret where endpoint_id = ? and valid_until <= ?", endpointId, at);
        session.QueueSqlCommand("insert into billing.webhook_secret (endpoint_id, secret, valid_until) values (?, ?, null)", endpointId, secret);
    }

    /// <summary>Those that sign, the newest first.</summary>
    public async Task<IReadOnlyList<string>> Of(string endpointId, DateTimeOffset at, CancellationToken ct)
    {
        await using var command = database.CreateCommand("select secret from billing.webhook_secret where endpoint_id = $1 and (valid_until is null or valid_until > $2) order by valid_until desc nulls first");
        command.Parameters.Add(new() { Value = endpointId });
        command.Parameters.Add(new() { Value = at });
        var secrets = new List<string>();
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct)) secrets.Add(reader.GetString(0));
        return secrets;
    }
}
