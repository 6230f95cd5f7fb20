using Contracts.Usage.V1;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Ledger;

namespace Usage.Host.Tests.Issues;

/// <summary>While a generation ran, the proof of its rows failed as a fault of the service whenever one was committed after the report that it waits for.</summary>
public sealed class A_row_that_no_report_covers_had_no_proof
{
    [Fact]
    public async Task Rows_that_are_reported_are_proved_though_later_ones_are_not()
    {
        await using var service = await UsageService.StartAsync(("Usage:ReportIntervalMs", "20000"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice", input: 10) });
        await service.Ledger.GetHeadsAsync(new GetHeadsRequest());
        await service.Meter.ReportAsync(new ReportRequest { Chunk = Samples.Chunk("g", 1, 10) });
        Assert.Equal(1, await service.ScalarAsync<long>("select count(*) from usage.token_event e join usage.shard s using (shard) where e.batch > s.reported_batch"));

        // The service waits for a report first, and this is what it does then, should a row be committed in between.
        var proof = Assert.Single(await service.App.Services.GetRequiredService<ProofReader>().ReadAsync(Ids.Parse(Ids.Generation, Samples.GenerationId("g")), [], Caller.Anybody, CancellationToken.None));
        Assert.Equal(0, proof.Row.Sequence);
        LedgerChecks.Proves(proof);
    }
}
