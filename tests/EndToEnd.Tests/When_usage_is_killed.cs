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

        await UsageBalance.HoldsAsync(company, subscriptions, load);
    }
}
