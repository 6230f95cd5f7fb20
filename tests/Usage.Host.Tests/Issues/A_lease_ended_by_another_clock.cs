using Contracts.Usage.V1;
using Grpc.Net.Client;

namespace Usage.Host.Tests.Issues;

/// <summary>
/// A slab was written with its end by the clock of one instance, and ended by that of the next: one whose clock was ahead granted tokens again that were still out.
/// </summary>
public sealed class A_lease_ended_by_another_clock
{
    /// <summary>The instances' clocks are one, so it is the database's that is wrong here, by an hour: what is kept there is kept by its clock, and means the same to the next instance.</summary>
    [Theory, InlineData("1 hour"), InlineData("-1 hour")]
    public async Task U1_a_slab_is_reserved_until_its_lease_ends_however_far_the_clocks_are_apart(string ahead)
    {
        await using var service = await UsageService.PrepareAsync(settings: ("Usage:LeaseSeconds", "600"));
        await service.ScalarAsync<long>($$"""
            create function usage.clock_timestamp() returns timestamptz volatile language sql as $$select pg_catalog.clock_timestamp() + interval '{{ahead}}'$$; select 1
            """);
        service.Set("Usage:Postgres", $"{service.Postgres};Search Path=usage,pg_catalog");
        Assert.Equal(3_600, await service.ScalarAsync<long>("select round(abs(extract(epoch from clock_timestamp() - pg_catalog.clock_timestamp())))::bigint"));
        var (process, address) = service.Apart();
        await using var _ = process;
        await service.ListenAsync();
        await process.StartAsync();
        using (var channel = GrpcChannel.ForAddress(address))
        {
            await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 2_000)));
            Assert.Equal(256, (await new TokenMeter.TokenMeterClient(channel).AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") })).Grant.TokensAllowed);
        }
        await process.KillAsync();
        Assert.InRange(await LeftAsync(service, "lease_until"), 1, 1_205);

        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Equal(1_024, await ReservedAsync(service));
        // It is left to the next one beside what is new.
        Assert.Equal(256, (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("h", "alice") })).Grant.TokensAllowed);
        await service.StopHostAsync();
        Assert.InRange(await LeftAsync(service, "(inherited -> 0 ->> 'Until')::timestamptz"), 1, 1_205);
        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Equal(1_280, await ReservedAsync(service));

        await service.StopHostAsync();
        await service.ScalarAsync<long>("""update usage.slab set lease_until = clock_timestamp(), inherited = '[]'; select 1""");
        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Equal(0, await ReservedAsync(service));
    }

    /// <summary>Seconds, by the database's clock.</summary>
    private static Task<long> LeftAsync(UsageService service, string until) =>
        service.ScalarAsync<long>($"select ceil(extract(epoch from {until} - clock_timestamp()))::bigint from usage.slab");

    private static async Task<long> ReservedAsync(UsageService service) =>
        Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows).ReservedTokens;
}
