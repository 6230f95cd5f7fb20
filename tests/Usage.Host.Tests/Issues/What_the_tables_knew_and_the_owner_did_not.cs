using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>Where an owner's memory and the tables part, or one is looked at a moment too late.</summary>
public sealed class What_the_tables_knew_and_the_owner_did_not
{
    [Fact]
    public async Task U6_a_renewal_that_comes_as_its_generation_is_forgotten_reserves_nothing()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        var (owners, intake) = (service.App.Services.GetRequiredService<OwnerDirectory>(), service.App.Services.GetRequiredService<Intake>());
        var generation = owners.Find(Ids.Parse(Ids.Generation, Samples.GenerationId("g")))!;
        var cell = ((Route)generation.Route!).Cell;

        // The state between the look at what runs and the turn: the owner has let go of it meanwhile.
        lock (cell.Gate) cell.Owner.Forget(generation);
        using var heard = new StreamOutlet(100, CancellationToken.None);
        intake.Renew(new Renew { GenerationId = Samples.GenerationId("g"), TokensWanted = 1_000 }, heard);
        Assert.Equal(0, cell.Owner.HeldTokens);
    }

    [Fact]
    public async Task U3_a_sequence_that_the_table_has_with_other_content_is_refused_and_not_acknowledged()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.AckOf("g", 0);
        await service.ExecuteAsync("""
            insert into usage.token_event select generation, 1, shard, batch, ordinal + 1, subscription, period, period_end, plan, conversation, model, input, cached_input,
              cache_creation, 5, reasoning, overrun, at, received_at, content + 1, finish, leaf from usage.token_event
            """);
        await stream.SendAsync(Samples.Chunk("g", 1, 10));
        await stream.RejectionOf("g", "sequence_reused");
        Assert.DoesNotContain(stream.Answers, f => f.Ack is { Sequence: > 0 });
        await stream.SendAsync(Samples.Chunk("g", 2, 20));
        await stream.AckOf("g", 2);
        Assert.Equal((5, 10), (await service.ScalarAsync<long>("select output from usage.token_event where sequence = 1"), await service.ScalarAsync<long>("select output from usage.token_event where sequence = 2")));
    }

    [Fact]
    public async Task A_runtime_that_waits_and_says_so_is_not_taken_for_one_that_has_vanished()
    {
        await using var service = await UsageService.StartAsync(("Usage:LeaseSeconds", "3"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var alive = new RuntimeStream(service.Meter);
        await using var gone = new RuntimeStream(service.Meter);
        await alive.SendAsync(Samples.Start("alive", "alice", "c1"));
        await alive.AckOf("alive", 0);
        await gone.SendAsync(Samples.Start("gone", "alice", "c2"));
        await gone.AckOf("gone", 0);
        await Eventually.True(async () =>
        {
            await alive.SendAsync(new Renew { GenerationId = Samples.GenerationId("alive") });
            return await IsSettledAsync("gone");
        }, "the one that has vanished is settled");
        Assert.False(await IsSettledAsync("alive"));

        Task<bool> IsSettledAsync(string name) =>
            service.ScalarAsync<bool>($"select settled_at is not null from usage.generation where generation = '{Ids.Parse(Ids.Generation, Samples.GenerationId(name))}'");
    }

    [Fact]
    public async Task U1_U2_a_slab_that_was_inherited_keeps_its_own_end_when_its_heir_is_killed()
    {
        await using var service = await UsageService.PrepareAsync(settings: ("Usage:LeaseSeconds", "1"));
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 10_000)));
        await service.StopHostAsync();
        // A lost owner may have 1,000 out for an hour.
        await service.ExecuteAsync($"""
            insert into usage.slab (subscription, shard, epoch, tokens, lease_until)
            values ('{Ids.Parse(Ids.Subscription, Samples.SubscriptionId("alice"))}', {Metering.Shards.Of(Ids.Parse(Ids.Subscription, Samples.SubscriptionId("alice")), 8)}, 0, 1000, now() + interval '1 hour')
            on conflict (subscription) do update set epoch = excluded.epoch, tokens = excluded.tokens, lease_until = excluded.lease_until
            """);
        var (process, address) = service.Apart();
        await using (process)
        {
            await process.StartAsync();
            await process.ReadyAsync();
            using var channel = Grpc.Net.Client.GrpcChannel.ForAddress(address);
            Assert.NotNull((await new TokenMeter.TokenMeterClient(channel).AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") })).Grant);
            await process.KillAsync();
        }
        await service.StartHostAsync();
        await service.ReadyAsync();
        // The heir's own slab ends after two seconds, and what it had inherited does not.
        await Eventually.True(async () => Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows).ReservedTokens == 1_000,
            "the first owner's slab is all that is reserved");

        // An owner that ends in good order leaves it as it is, and of the heir's what may be reported still: that reserves nothing.
        await service.StopHostAsync();
        Assert.Equal((0, 1_000, 1_024), (await service.ScalarAsync<long>("select tokens from usage.slab"), await LeftAsync("> now()"), await LeftAsync("< now()")));
        await service.StartHostAsync();
        await service.ReadyAsync();
        Assert.Equal(1_000, Assert.Single((await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows).ReservedTokens);

        Task<long> LeftAsync(string until) => service.ScalarAsync<long>(
            $"select sum((s ->> 'Tokens')::bigint) from usage.slab, jsonb_array_elements(inherited) s where (s ->> 'Until')::timestamptz {until}");
    }

    /// <summary>Found by the simulation: with the instance killed in between, a threshold was announced that nothing in the tables had passed.</summary>
    [Fact]
    public async Task A_correction_announces_a_threshold_no_sooner_than_the_rows_that_it_counts_are_in_the_table()
    {
        await using var service = await UsageService.StartAsync();
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000)));
        await service.ExecuteAsync("""
            create table usage.seen (used bigint);
            create function usage.see() returns trigger language plpgsql as $$ begin insert into usage.seen select sum(output) from usage.ledger_row; return new; end $$;
            create trigger see before insert on usage.cap_threshold for each row execute function usage.see()
            """);
        await using var stream = new RuntimeStream(service.Meter);
        await stream.SendAsync(Samples.Start("g", "alice"));
        await stream.GrantOf("g");
        await stream.SendAsync(Samples.Chunk("g", 1, 200));
        await stream.AckOf("g", 1);
        Task correcting;
        await using (await TableLock.TakeAsync(service, "usage.token_event", "share"))
        {
            await using (await TableLock.TakeAsync(service, "usage.correction", "share"))
            {
                correcting = service.Corrections.AmendUsageAsync(
                    new AmendUsageRequest { GenerationId = Samples.GenerationId("g"), Deltas = new TokenCounts { Output = 250 }, Author = "ada", Reason = "lost" }, new Grpc.Core.Metadata { { "idempotency-key", "k" } }).ResponseAsync;
                await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.correction") > 0, "the correction waits");
                await stream.SendAsync(Samples.Chunk("g", 2, 260));
                await UsedAsync(260);
            }
            await UsedAsync(510);
            await Eventually.True(async () => await TableLock.WaitersAsync(service, "usage.token_event") > 0, "the row of 60 tokens waits");
        }
        await correcting;
        await Eventually.True(async () => await service.ScalarAsync<long>("select count(*) from usage.cap_threshold") == 1, "the threshold is stored");
        Assert.Equal(510, await service.ScalarAsync<long>("select used from usage.seen"));

        Task UsedAsync(long tokens) => Eventually.True(
            async () => (await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") })).Windows.Single().UsedTokens == tokens, $"{tokens} are used");
    }
}
