using Contracts.Billing.V1;

namespace EndToEnd.Tests;

/// <summary>What must hold between what runtimes had acknowledged and what the books say, whatever was killed meanwhile.</summary>
public static class UsageBalance
{
    /// <summary>U1, U3, U4 and U5.</summary>
    public static async Task HoldsAsync(Company company, IReadOnlyList<Subscription> subscriptions, params Load[] loads)
    {
        var books = await Books.ReadAsync(company.Deployment.Ledger); // U5 and the chain
        Assert.All(
            books.Rows.GroupBy(r => (r.SubscriptionId, r.Conversation), r => r.Tokens.Output + r.Tokens.Reasoning),
            used => Assert.InRange(used.Sum(), 0, company.CapOf(used.Key.SubscriptionId, subscriptions))); // U1
        Assert.All(
            books.Rows.GroupBy(r => r.SubscriptionId, r => r.Tokens.Output + r.Tokens.Reasoning),
            used => Assert.InRange(used.Sum(), 0, company.CapOf(used.Key, subscriptions) * Company.ConversationsPerPeriod));
        var recorded = books.Rows.GroupBy(r => r.GenerationId).ToDictionary(g => g.Key, g => g.ToList());
        var (acknowledged, inBooks) = (loads.SelectMany(l => l.Acknowledged), recorded.Select(g => KeyValuePair.Create(g.Key, g.Value.Sum(r => r.Tokens.Output + r.OverrunTokens))));
        Assert.Equal(("", ""), (string.Join(' ', acknowledged.Except(inBooks)), string.Join(' ', inBooks.Except(acknowledged)))); // U3
        Assert.All(recorded.Values, rows => Assert.Equal(Enumerable.Range(0, rows.Count).Select(n => (long)n), rows.Select(r => r.Sequence).Order()));
        Assert.Equal(books.ByRows, books.ByReports); // U4
        Assert.Contains(books.Rows.GroupBy(r => (r.SubscriptionId, r.Conversation)), c => c.Sum(r => r.Tokens.Output) == company.CapOf(c.Key.SubscriptionId, subscriptions));
    }
}
