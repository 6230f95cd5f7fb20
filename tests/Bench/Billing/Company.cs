using Billing;
using Billing.Customers;
using Billing.Host;
using Billing.Menus;
using Billing.Periods;
using Billing.Subscriptions;
using Hosting;
using Marten;

namespace Bench.Books;

/// <summary>Customers with a subscription each, put into a store by the decisions of billing and not by its calls: it is what comes after that is measured.</summary>
public static class Company
{
    public static readonly string Menu = Ids.Derive(Ids.Menu, BillingServers.Jan1, "bench"), Plan = Ids.Derive(Ids.Plan, BillingServers.Jan1, "bench");
    private const int AtOnce = 500;

    public static MenuTerms Terms { get; } = new(
        Menu, "Bench", Currency.Parse("USD"), 20, [new(Plan, "Metered", new(5_000_000), [new(CapWindow.BillingPeriod, 1_000, Cap.GeneratedTokens, CapEnforcement.Billed)], [new(TokenKind.Output, UnitPrice.Parse("12.5")), new(TokenKind.Reasoning, UnitPrice.Parse("12.5"))])], [], BillingServers.Jan1);

    /// <param name="used">tokens that each period has at once; 0 for none</param>
    /// <returns>the subscriptions</returns>
    public static async Task<string[]> SubscribeAsync(IDocumentStore store, string name, int count, long used, CancellationToken ct)
    {
        var at = BillingServers.Jan1;
        var menu = ReceiveMenuDecision.Decide(new(Terms), MenuState.Initial).OrThrow().Events;
        await using (var session = store.LightweightSession())
        {
            if (await session.Events.FetchStreamStateAsync(Menu, ct) is null) session.Events.StartStream(Menu, menu);
            await session.SaveChangesAsync(ct);
        }
        var received = menu.Aggregate(MenuState.Initial, MenuState.Evolve);
        string[] subscriptions = [.. Enumerable.Range(0, count).Select(n => Ids.Derive(Ids.Subscription, at, $"{name}-{n}"))];
        foreach (var some in subscriptions.Chunk(AtOnce))
        {
            await using var session = store.LightweightSession();
            foreach (var id in some)
            {
                var customerId = Ids.Derive(Ids.Customer, at, id);
                var created = CreateCustomerDecision.Decide(new("USD", id, at), CustomerState.Initial).OrThrow().Events;
                session.Events.StartStream(customerId, created);
                var started = SubscribeDecision.Decide(new(customerId, Menu, Plan, created.Aggregate(CustomerState.Initial, CustomerState.Evolve), received, at), SubscriptionState.Initial).OrThrow().Events;
                session.Events.StartStream(id, started);
                var state = (SubscriptionState.Known)started.Aggregate(SubscriptionState.Initial, SubscriptionState.Evolve);
                var snapshot = SubscriptionSnapshot.Of(id, state, Terms);
                List<object> current = [.. OpenPeriodDecision.Decide(new(id, state, 0, at), PeriodState.Initial).OrThrow().Events];
                if (used > 0) current.Add(new UsageApplied(0, 0, new ValueList<PlanTokens>([new(Plan, TokenKind.Output, used)]), at));
                session.Events.StartStream(snapshot.CurrentPeriod.PeriodId, current);
                session.Events.StartStream(snapshot.NextPeriod.PeriodId, OpenPeriodDecision.Decide(new(id, state, 1, at), PeriodState.Initial).OrThrow().Events);
            }
            await session.SaveChangesAsync(ct);
        }
        return subscriptions;
    }

    public static string PeriodOf(string subscription) => PeriodIds.Of(subscription, 0, BillingServers.Jan1);
}
