using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;
using Npgsql;
using AccessKey = Hosting.AccessKey;

namespace Usage.Host.Tests.Issues;

/// <summary>Readers and writers had one pool: one key that asked for more aggregates than there are connections, from a slow database, left none for commits, slabs and look-ups.</summary>
public sealed class Questions_about_the_past_took_every_connection
{
    private const int PoolMax = 4, PerCallerMax = 4, Asked = 20;

    [Fact]
    public async Task U2_U3_grants_and_acknowledgements_go_on_while_one_key_asks_all_it_may()
    {
        string[] keys = [AccessKey.NewText(), AccessKey.NewText()];
        // However slow the machine is, nobody gives up.
        await using var service = await UsageService.PrepareAsync(settings:
        [
            ("Usage:UnaryWaitSecondsMax", "300"), ("Usage:QuerySecondsMax", "600"), ("Usage:QueriesPerCallerMax", $"{PerCallerMax}"), ("Access:Mode", "Keys"),
            ("Access:Keys:0", $"dashboards:analyst:{AccessKey.Sha256Of(keys[0])}"), ("Access:Keys:1", $"engine:runtime:{AccessKey.Sha256Of(keys[1])}"),
        ]);
        service.Set("Usage:Postgres", new NpgsqlConnectionStringBuilder(service.Postgres) { MaxPoolSize = PoolMax }.ConnectionString);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        using var dashboards = OutgoingCalls.Open(service.App.Endpoints().Grpc, keys[0], null, 1 << 20);
        using var engine = OutgoingCalls.Open(service.App.Endpoints().Grpc, keys[1], null, 1 << 20);
        await using var stream = new RuntimeStream(new(engine));
        await stream.SendAsync(Samples.Start("g", "alice", "c1"));
        await stream.GrantOf("g");
        await stream.AckOf("g", 0);

        Task<AggregateResponse>[] asked;
        await using (await TableLock.TakeAsync(service, "usage.correction", "access exclusive"))
        {
            asked = [.. Enumerable.Range(0, Asked).Select(_ => AggregateAsync(dashboards))];
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") >= PerCallerMax, "the database is slow to answer");
            // A commit; then a look-up, a slab and a commit.
            await stream.SendAsync(Samples.Chunk("g", 1, 100));
            await stream.AckOf("g", 1);
            await stream.SendAsync(Samples.Start("h", "alice", "c2"));
            await stream.GrantOf("h");
            await stream.SendAsync(Samples.Finish("h", 1));
            Assert.True((await stream.AckOf("h", 1)).Finished);
            Assert.Equal(PerCallerMax, await TableLock.WaitersAsync(service, "usage.correction"));
        }
        foreach (var answer in await Task.WhenAll(asked)) Assert.Equal(100, Assert.Single(answer.Groups).Tokens.Output);
    }

    private static Task<AggregateResponse> AggregateAsync(GrpcChannel channel) =>
        new UsageLedger.UsageLedgerClient(channel).AggregateAsync(new() { From = Samples.Jan1.ToTimestamp(), To = Samples.Feb1.ToTimestamp() }).ResponseAsync;
}
