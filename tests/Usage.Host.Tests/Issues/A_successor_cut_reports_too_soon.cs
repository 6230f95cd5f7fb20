using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>Billing is promised two reports a second of a shard. A writer that ended, one that took over, and one that had no answer each counted from their own last report, or from none.</summary>
public sealed class A_successor_cut_reports_too_soon
{
    [Fact]
    public async Task The_next_report_is_cut_when_it_is_due_whoever_writes_the_shard_and_nothing_is_lost()
    {
        await using var service = await UsageService.StartAsync(("Usage:ReportIntervalMs", "20000"), ("Usage:Shards", "1"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await RecordAsync(service, "g1");
        await Eventually.True(async () => await ReportsAsync(service) == 1, "the first report is due at once");
        await RecordAsync(service, "g2");
        await MovedAsync(service, "0 seconds");

        await service.StopHostAsync();
        Assert.Equal(1, await ReportsAsync(service));
        await service.StartHostAsync();
        await service.ReadyAsync();
        await RecordAsync(service, "g3");
        await MovedAsync(service, "0 seconds");
        await service.StopHostAsync();
        Assert.Equal((1, 3), (await ReportsAsync(service), await service.ScalarAsync<long>("select last_batch from usage.shard")));

        await MovedAsync(service, "20 seconds");
        await service.StartHostAsync();
        await service.ReadyAsync();
        await LedgerChecks.HoldAsync(service);
        Assert.Equal((2, 27), (await ReportsAsync(service), service.Reports.Values.SelectMany(r => r.Lines).Sum(l => l.Tokens)));
    }

    private static Task RecordAsync(UsageService service, string generation) =>
        service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start(generation, "alice", input: 9) }).ResponseAsync;

    private static Task<long> ReportsAsync(UsageService service) => service.ScalarAsync<long>("select count(*) from usage.report");

    /// <summary>The last report was cut so long ago.</summary>
    private static Task<long> MovedAsync(UsageService service, string ago) =>
        service.ScalarAsync<long>($"update usage.shard set report_cut_at = clock_timestamp() - interval '{ago}'; select 1");
}
