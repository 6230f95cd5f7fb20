using Usage.Host;
using Usage.Host.Tests;

namespace RuntimeClient.Tests;

/// <summary>The service as a process of its own, killed under its runtimes, which notice nothing but time.</summary>
public sealed class When_the_meter_is_killed
{
    private const int Generations = 12, Kills = 2;
    private const long TokensEach = 2_100;

    [Fact]
    public async Task U1_U3_every_generation_goes_on_with_the_next_one_and_is_counted_once()
    {
        await using var watch = await UsageService.PrepareAsync();
        var (process, address) = watch.Apart();
        await using var _ = process;
        await watch.ListenAsync();
        await using var meter = new MeterClient(address, new() { RetransmitAfter = TimeSpan.FromMilliseconds(500), PauseMax = TimeSpan.FromMilliseconds(500) });
        using var paces = new SemaphoreSlim(0);
        Task[] running = [];
        for (var life = 0; life <= Kills; life++)
        {
            await process.StartAsync();
            try
            {
                if (life == 0)
                {
                    await watch.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", 1_000_000)));
                    running = [.. Enumerable.Range(0, Generations).Select(i => GenerateAsync(meter, i, paces))];
                }
                var before = await RecordedAsync(watch);
                // A third of all in each life, so that every kill comes in the middle.
                paces.Release(Generations * 10);
                var enough = life < Kills ? before + (Generations * TokensEach / 6) : Generations * TokensEach;
                await Eventually.True(async () => await RecordedAsync(watch) >= enough, $"life {life} records {enough} tokens of\n{string.Join('\n', meter.Active)}");
                if (life == Kills) await Task.WhenAll(running).WaitAsync(TimeSpan.FromSeconds(60));
            }
            finally
            {
                await process.KillAsync();
            }
        }
        Assert.Empty(meter.Active);
        Assert.Equal(Generations * TokensEach, await RecordedAsync(watch));
        Assert.Equal((Generations, 0), (
            await watch.ScalarAsync<long>($"select count(*) from usage.generation where finish = 1 and reported_output = {TokensEach}"),
            await watch.ScalarAsync<long>("select sum(overrun) from usage.token_event")));
    }

    private static Task<long> RecordedAsync(UsageService watch) => watch.ScalarAsync<long>("select coalesce(sum(output), 0) from usage.token_event");

    private static async Task GenerateAsync(MeterClient meter, int index, SemaphoreSlim paces)
    {
        await using var generation = await meter.StartAsync(new() { Id = GenerationId.Derive(Samples.Jan1, $"{index}"), Subscription = Samples.SubscriptionId("alice"), Conversation = $"c{index}", Model = "small-model" });
        while (generation.Generated < TokensEach)
        {
            if (generation.Generated % (TokensEach / 30) == 0) await paces.WaitAsync();
            Assert.True(await generation.RoomAsync() > 0);
            generation.Count(1);
        }
        await generation.FinishAsync();
    }
}
