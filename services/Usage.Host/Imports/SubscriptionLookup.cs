using Npgsql;
using Usage.Host.Owners;
using Usage.Host.Store;

namespace Usage.Host.Imports;

/// <summary>Tells subscriptions that nobody knows from those that nobody can be asked about now.</summary>
public sealed class SubscriptionLookup(UsageStore store, TermsSource terms)
{
    /// <returns>those that neither usage's table nor billing has</returns>
    /// <exception cref="RefusedException">billing_unreachable: some are not in the table, and billing does not answer</exception>
    public async Task<IReadOnlySet<Guid>> UnknownAsync(IReadOnlyList<Guid> subscriptions, CancellationToken ct)
    {
        var missing = subscriptions.ToHashSet();
        await using (var command = store.DataSource.CreateCommand("select subscription from usage.subscription where subscription = any($1)"))
        {
            command.Parameters.Add(new NpgsqlParameter { Value = subscriptions.ToArray() });
            await using var reader = await command.ExecuteReaderAsync(ct);
            while (await reader.ReadAsync(ct)) missing.Remove(reader.GetGuid(0));
        }
        var unknown = new HashSet<Guid>();
        foreach (var subscription in missing)
        {
            if ((await terms.AskAsync(subscription, waits: true).WaitAsync(ct)).Terms is not null) continue;
            if (!terms.IsUnknownToBilling(subscription))
                throw new Refusal(Reasons.BillingUnreachable, $"usage has not heard of {Ids.Format(Ids.Subscription, subscription)}, and billing does not answer; send the same again later").AsException();
            unknown.Add(subscription);
        }
        return unknown;
    }
}
