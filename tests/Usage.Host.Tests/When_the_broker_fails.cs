using System.Diagnostics;
using Contracts.Usage.V1;
using Hosting;
using LocalServers;
using Microsoft.Extensions.DependencyInjection;
using Xunit.Abstractions;

namespace Usage.Host.Tests;

public sealed class When_the_broker_fails(ITestOutputHelper output) : IAsyncLifetime
{
    private ServerFolder _folder = null!;

    public async Task InitializeAsync() => _folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), "billing-usage-tests"));
    public async Task DisposeAsync() => await _folder.DisposeAsync();

    [Fact]
    public async Task A_broker_that_is_down_delays_reports_and_loses_none()
    {
        await using var rabbit = await PrivateRabbitMq.StartAsync(_folder);
        await using var service = await UsageService.PrepareAsync(broker: rabbit.Uri(), settings: ("Usage:ReportIntervalMs", "10"));
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        rabbit.Kill();

        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        // As many reports as a shard cuts in two minutes: more than are read, published and marked at once.
        const int reports = 240;
        for (var n = 1; n <= reports; n++)
        {
            await stream.SendAsync(Samples.Chunk("g", n, n));
            await stream.AckOf("g", n);
            await service.Ledger.GetHeadsAsync(new GetHeadsRequest()); // when it answers, a report was cut
        }
        Assert.True(await service.ScalarAsync<long>("select count(*) from usage.report where not published") >= reports);
        await rabbit.RestartAsync();
        await LedgerChecks.HoldAsync(service);
        Assert.Equal(reports, service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
        Assert.Equal(service.Arrivals.Order(), service.Arrivals);
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.report where not published") == 0, "all reports are marked");
    }

    [Fact]
    public async Task What_eight_shards_cut_without_a_broker_is_published_in_order_when_it_is_back()
    {
        const int shards = 8, reportsEach = 720;
        await using var rabbit = await PrivateRabbitMq.StartAsync(_folder);
        await using var service = await UsageService.PrepareAsync(broker: rabbit.Uri());
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        rabbit.Kill();
        await service.ScalarAsync<long>($"""
            insert into usage.batch (shard, number, row_count, root, previous_chain, chain, committed_at)
            select s, n, 0, sha256(convert_to(s || 'root' || n, 'UTF8')), sha256(convert_to(s || 'chain' || n - 1, 'UTF8')), sha256(convert_to(s || 'chain' || n, 'UTF8')), now()
            from generate_series(0, {shards - 1}) s, generate_series(1, {reportsEach}) n;
            insert into usage.report (shard, number, first_batch, last_batch, previous_chain, chain, recorded_at)
            select shard, number, number, number, previous_chain, chain, committed_at from usage.batch;
            insert into usage.report_line (shard, number, subscription, period, period_end, plan, kind, tokens)
            select r.shard, r.number, gen_random_uuid(), gen_random_uuid(), '{Samples.Feb1:O}', gen_random_uuid(), 'output', r.number from usage.report r;
            update usage.shard set last_batch = {reportsEach}, last_report = {reportsEach}, reported_batch = {reportsEach};
            select 1
            """);
        var since = Stopwatch.StartNew();
        await rabbit.RestartAsync();
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.report where not published") == 0, "all reports are marked", TimeSpan.FromMinutes(5));
        var published = since.Elapsed;
        await Eventually.True(() => service.Reports.Count == shards * reportsEach, "all reports have come", TimeSpan.FromMinutes(5));
        // At two reports a second a shard cuts so many in six minutes.
        output.WriteLine($"{shards * reportsEach} reports, {reportsEach} of each shard, were published {published.TotalSeconds:0.0} s after the broker was started again, and heard after {since.Elapsed.TotalSeconds:0.0} s");
        foreach (var shard in service.ArrivalsOfShards.GroupBy(a => a.Shard, a => a.Number))
            Assert.Equal(Enumerable.Range(1, reportsEach).Select(n => (long)n), shard.Distinct());
        Assert.Equal(shards * (reportsEach * (reportsEach + 1L) / 2), service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
    }

    [Fact]
    public async Task Customers_are_warned_while_no_queue_takes_reports()
    {
        await using var service = await UsageService.PrepareAsync();
        await service.ListenAsync(billing: false);
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000, "input")));
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice", input: 600) });
        await Eventually.True(() => service.Thresholds.Values.Any(t => t is { Threshold: "percent_50", UsedTokens: 600 }), "the warning goes out");
        Assert.Empty(service.Reports);
        await service.ForgetListenerAsync();
        await service.ListenAsync();
        await LedgerChecks.HoldAsync(service);
        Assert.Equal(600, service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
    }

    [Fact]
    public async Task A_report_that_no_queue_takes_is_published_again_until_one_does()
    {
        await using var service = await UsageService.PrepareAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.App.Services.GetRequiredService<Owners.TermsSource>().StoreAsync(Owners.SnapshotTerms.Of(Samples.Snapshot("alice")), CancellationToken.None);
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice", input: 9) });
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await service.ListenAsync();
        await LedgerChecks.HoldAsync(service);
        Assert.Equal(9, service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens));
    }
}
