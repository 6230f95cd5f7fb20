using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>One service for the failures of others that leave it standing: each test takes subscriptions of its own.</summary>
public sealed class OthersService : IAsyncLifetime
{
    public UsageService Service { get; private set; } = null!;

    public async Task InitializeAsync() => Service = await UsageService.StartAsync(("Usage:ReportIntervalMs", "20"));

    public async Task DisposeAsync() => await Service.DisposeAsync();

    /// <summary>All at once, as callers do that know nothing of each other.</summary>
    public Task<AuthorizeResponse[]> AuthorizeAsync(IEnumerable<Start> starts, long wanted = 0) =>
        Task.WhenAll(starts.Select(s => Service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = s, TokensWanted = wanted }).ResponseAsync));

    public Task<SettleResponse[]> SettleAsync(IEnumerable<(string Generation, long Output)> done) => Task.WhenAll(done.Select(d => Service.Meter.SettleAsync(new()
    {
        Finish = new() { GenerationId = Samples.GenerationId(d.Generation), Sequence = 1, Reason = FinishReason.Stop, Totals = new() { Output = d.Output } },
    }).ResponseAsync));

    public async Task<WindowBalance> BalanceAsync(string subscription, string window = "billing_period") =>
        (await Service.Ledger.GetBalanceAsync(new() { SubscriptionId = Samples.SubscriptionId(subscription), Conversation = "c1" })).Windows.Single(w => w.Window == window);

    /// <summary>What billing was told of a subscription, once all of it is published.</summary>
    public async Task<(string Kind, long Tokens)[]> ReportedAsync(string subscription, long tokens)
    {
        await Service.Ledger.GetHeadsAsync(new());
        var id = Samples.SubscriptionId(subscription);
        await Eventually.True(() => Lines().Sum(l => l.Tokens) >= tokens, "billing is told");
        return [.. Lines().GroupBy(l => l.Kind).Select(g => (g.Key, g.Sum(l => l.Tokens))).Order()];
        IEnumerable<(string Kind, long Tokens)> Lines() => Service.Reports.Values.SelectMany(r => r.Lines).Where(l => l.SubscriptionId == id).Select(l => (l.Kind, l.Tokens));
    }

    /// <summary>As a failover of the database would: every connection of the service is gone in the middle of whatever it did.</summary>
    public static Task<long> BreakConnectionsAsync(UsageService service) => service.ScalarAsync<long>(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid()");
}

[CollectionDefinition(Name)]
public sealed class FailuresOfOthers : ICollectionFixture<OthersService>
{
    public const string Name = "failures of others";
}
