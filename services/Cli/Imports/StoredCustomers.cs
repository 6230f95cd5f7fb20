using System.Collections.Concurrent;
using Billing;
using Billing.Accounts;
using Billing.Subscriptions;
using Cli.Commands;
using Contracts.Billing.V1;
using Grpc.Core;
using AgreementsClient = Contracts.Billing.V1.Agreements.AgreementsClient;
using BillingClient = Contracts.Billing.V1.Billing.BillingClient;
using CreditGrant = Billing.Accounts.CreditGrant;

namespace Cli.Imports;

/// <summary>What billing has of the customers that rows name: the state that their requests will be decided on.</summary>
/// <param name="ByReference">customers</param>
/// <param name="Subscriptions">by id</param>
/// <param name="Accounts">by the customer's id</param>
/// <param name="Details">likewise, of those that have any; only where they are written over</param>
public sealed record StoredCustomers(ILookup<string, Customer> ByReference, IReadOnlyDictionary<string, SubscriptionState> Subscriptions, IReadOnlyDictionary<string, AccountState> Accounts, IReadOnlyDictionary<string, CustomerDetails> Details)
{
    private const int CallsAtOnce = 8, PageSize = 1_000;

    public static async Task<StoredCustomers> Load(IReadOnlyList<ImportRow> rows, CallInvoker channel, bool updates, CancellationToken ct)
    {
        var (billing, agreements, named) = (new BillingClient(channel), new AgreementsClient(channel), rows.Select(r => r["reference"]).ToHashSet());
        var there = (await CustomerCommand.AllAsync(billing, ct)).Where(c => named.Contains(c.Reference)).ToArray();
        var (subscriptions, accounts) = (new ConcurrentDictionary<string, SubscriptionState>(), new ConcurrentDictionary<string, AccountState>());
        var details = new ConcurrentDictionary<string, CustomerDetails>();
        await Parallel.ForEachAsync(there, new ParallelOptions { MaxDegreeOfParallelism = CallsAtOnce, CancellationToken = ct }, async (customer, token) =>
        {
            for (var page = ""; ;)
            {
                var found = await billing.ListSubscriptionsAsync(new() { CustomerId = customer.CustomerId, PageSize = PageSize, PageToken = page }, cancellationToken: token);
                foreach (var s in found.Subscriptions) subscriptions[s.SubscriptionId] = State(s);
                if ((page = found.NextPageToken).Length == 0) break;
            }
            if (updates && (await billing.GetCustomerAsync(new() { CustomerId = customer.CustomerId }, cancellationToken: token)).Details is { } known) details[customer.CustomerId] = known;
            accounts[customer.CustomerId] = State(await agreements.GetAccountAsync(new() { CustomerId = customer.CustomerId }, cancellationToken: token));
        });
        return new(there.ToLookup(c => c.Reference), subscriptions, accounts, details);
    }

    /// <summary>As far as a start that is repeated is compared with it.</summary>
    private static SubscriptionState.Known State(Subscription s) => new SubscriptionState.Known(
        s.CustomerId, s.MenuId, s.PlanId, Enum.GetValues<SubscriptionStatus>().Single(x => SubscriptionSnapshot.NameOf(x) == s.Status), s.StartedAt.ToDateTimeOffset(),
        s.AnchorDay == 0 ? null : new(s.AnchorDay, s.TimeZone), s.StartedAt.ToDateTimeOffset(), s.TrialEnd?.ToDateTimeOffset(), null, s.CancelledAt?.ToDateTimeOffset(),
        s.CurrentPeriod.Number, Period(s.CurrentPeriod), Period(s.NextPeriod), [s.StartedPlanId], s.ChangedAt.ToDateTimeOffset(), s.Version,
        StartedTrialEnd: s.StartedTrialEnd?.ToDateTimeOffset());

    private static Period Period(BillingPeriod p) => new(p.Start.ToDateTimeOffset(), p.End.ToDateTimeOffset());

    /// <summary>As far as a grant that is repeated is compared with it. When it was granted is not.</summary>
    private static AccountState State(Account a) => AccountState.Initial with
    {
        Credit = a.Credit.Select(g => new CreditGrant(g.GrantId, g.Name, g.Kinds.Select(TokenNames.ParseKind).ToValueList(), g.Granted, g.Left, g.Priority, g.ExpiresAt?.ToDateTimeOffset(), default)).ToValueList(),
    };
}
