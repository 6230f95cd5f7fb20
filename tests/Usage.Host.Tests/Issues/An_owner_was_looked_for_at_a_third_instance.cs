using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// Orleans keeps where a grain is at some instance, chosen by the grain's name. When that one was gone, owners at instances that lived could not be reached from
/// others that lived: until it was known to be dead, and of a few perhaps for longer.
/// </summary>
public sealed class An_owner_was_looked_for_at_a_third_instance
{
    private const int Customers = 48;

    [Fact]
    public async Task Owners_are_reached_though_an_instance_that_has_nothing_to_do_with_them_says_nothing()
    {
        await using var first = await UsageService.StartAsync(
            ("Usage:Cluster:Mode", "Postgres"), ("Usage:Cluster:Port", "0"), ("Usage:Cluster:Address", "127.0.0.1"),
            // Nobody is taken for dead here, so nothing is cleared up.
            ("Usage:Cluster:ProbeSeconds", "60"));
        await using var second = first.Another();
        await second.StartHostAsync();
        await using var third = first.Another();
        var (process, _) = third.Apart();
        await using var kill = process;
        await process.StartAsync();
        await process.ReadyAsync();
        string[] names = [.. Enumerable.Range(0, Customers).Select(n => $"customer {n}")];
        foreach (var name in names) await first.SubscribeAsync(Samples.Snapshot(name, Samples.Hard("billing_period", 10_000)));
        await Eventually.True(() => first.Held + second.Held is >= 4 and < 8 && first.Held > 0 && second.Held > 0, "the three share the shards");

        await process.FreezeAsync();
        foreach (var (here, there) in new[] { (first, second), (second, first) })
        {
            var theirs = names.Where(name => there.Holds(name)).ToArray();
            Assert.NotEmpty(theirs);
            var balances = await Task.WhenAll(theirs.Select(name => here.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId(name) }).ResponseAsync));
            Assert.All(balances, b => Assert.Equal(10_000, b.Windows.Single().CapTokens));
        }
    }
}
