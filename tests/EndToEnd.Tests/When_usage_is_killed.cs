namespace EndToEnd.Tests;

public sealed class When_usage_is_killed
{
    private const int Seed = 20260101, Kills = 3;

    [Fact]
    public async Task U1_U3_U4_U5_caps_hold_and_every_acknowledged_token_is_in_the_books_once()
    {
        // Small grants and short leases: many decisions to interrupt, and little to wait for what a lost owner had promised.
        await using var company = await Company.OpenAsync([Company.Usage], ("Usage:ChunkTokens", "16"), ("Usage:LeaseSeconds", "3"), ("Usage:ReportIntervalMs", "50"));
        await company.PublishMenuAsync();
        var subscriptions = await company.SubscribeAsync(12);
        var load = new Load(company, subscriptions, conversationsEach: 50, Seed);

        var random = new Random(Seed);
        var serving = load.ServeAsync();
        for (var kill = 0; kill < Kills; kill++)
        {
            await load.ReachesAsync((kill + random.NextDouble()) / (Kills + 1), serving);
            Assert.False(serving.IsCompleted, "the load outlasts the kills");
            await company.KillAndRestartAsync(Company.Usage);
        }
        await serving;
        Assert.Equal(load.Conversations, load.Served);

        var books = await Books.ReadAsync(company.Deployment.Ledger); // U5 and the chain
        Assert.All(
            books.Rows.GroupBy(r => (r.SubscriptionId, r.Conversation), r => r.Tokens.Output + r.Tokens.Reasoning),
            used => Assert.InRange(used.Sum(), 0, company.CapOf(used.Key.SubscriptionId, subscriptions))); // U1
        Assert.All(
            books.Rows.GroupBy(r => r.SubscriptionId, r => r.Tokens.Output + r.Tokens.Reasoning),
            used => Assert.InRange(used.Sum(), 0, company.CapOf(used.Key, subscriptions) * Company.ConversationsPerPeriod));
        var recorded = books.Rows.GroupBy(r => r.GenerationId).ToDictionary(g => g.Key, g => g.ToList());
        Assert.Equal(load.Acknowledged, new SortedDictionary<string, long>(recorded.ToDictionary(g => g.Key, g => g.Value.Sum(r => r.Tokens.Output + r.OverrunTokens)))); // U3
        Assert.All(recorded.Values, rows => Assert.Equal(Enumerable.Range(0, rows.Count).Select(n => (long)n), rows.Select(r => r.Sequence).Order()));
        Assert.Equal(books.ByRows, books.ByReports); // U4
        Assert.Contains(books.Rows.GroupBy(r => (r.SubscriptionId, r.Conversation)), c => c.Sum(r => r.Tokens.Output) == company.CapOf(c.Key.SubscriptionId, subscriptions));
    }
}
