using RuntimeClient;

namespace Usage.Host.Tests;

/// <summary>Caps of every window, that bind while the service is killed: honest runtimes want more than they are allowed, and never stop asking.</summary>
public sealed class When_the_service_is_killed_under_caps
{
    private const int Kills = 3, WorkersEach = 3;
    private const long Cap = 4_000, TokensEach = 400, PromptEach = 1;
    private static readonly string[] Names = ["five", "week", "period", "whole", "both"];

    [Fact]
    public async Task U1_U2_U4_U5_caps_that_bind_hold_across_kills_and_are_used_up_in_the_end()
    {
        // Slabs of killed owners end after four seconds.
        await using var watch = await UsageService.PrepareAsync(settings: ("Usage:LeaseSeconds", "2"));
        var (process, address) = watch.Apart();
        await using var _ = process;
        await watch.ListenAsync();
        using var enough = new CancellationTokenSource();
        await using var meter = new MeterClient(address, new() { PauseMax = TimeSpan.FromMilliseconds(500), RetransmitAfter = TimeSpan.FromSeconds(1) });
        Task[] working = [];
        for (var life = 0; life <= Kills; life++)
        {
            await process.StartAsync();
            if (life == 0)
            {
                await watch.SubscribeAsync(Samples.Snapshot("five", Samples.Hard("five_hours", Cap)));
                await watch.SubscribeAsync(Samples.Snapshot("week", Samples.Hard("week", Cap)));
                await watch.SubscribeAsync(Samples.Snapshot("period", Samples.Hard("billing_period", Cap)));
                await watch.SubscribeAsync(Samples.Snapshot("whole", Samples.Hard("billing_period", Cap, "input", "cached_input", "output", "reasoning")));
                await watch.SubscribeAsync(Samples.Snapshot("both", Samples.Hard("five_hours", Cap + 1_000), Samples.Hard("week", Cap), Samples.Hard("billing_period", Cap + 2_000)));
                working = [.. Names.SelectMany(name => Enumerable.Range(0, WorkersEach).Select(worker => WorkAsync(meter, name, worker, enough.Token)))];
            }
            var before = await UsedAsync(watch);
            // Killed while each still has room, and grants are out.
            if (life < Kills) await WhileAllWorkAsync(async () => await UsedAsync(watch) >= before + 1_500, "some more is used");
            else await WhileAllWorkAsync(async () => (await Task.WhenAll(Names.Select(name => UsedAsync(watch, name)))).All(used => used >= Cap - PromptEach), "all caps are used up");
            if (life < Kills) await process.KillAsync();
        }
        await enough.CancelAsync();
        await Task.WhenAll(working);
        await process.KillAsync();

        await watch.StartHostAsync();
        await watch.ReadyAsync();
        // A prompt that counts and finds no room beside it is not started: so the last token may be left.
        foreach (var name in Names) Assert.InRange(await UsedAsync(watch, name), name == "whole" ? Cap - PromptEach : Cap, Cap);
        await LedgerChecks.HoldAsync(watch);

        // One that has failed uses nothing any more: it says why.
        Task WhileAllWorkAsync(Func<Task<bool>> condition, string because) => Eventually.True(async () =>
        {
            foreach (var failed in working.Where(w => w.IsFaulted)) await failed;
            return await condition();
        }, because);
    }

    private static async Task WorkAsync(MeterClient meter, string name, int worker, CancellationToken enough)
    {
        using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        for (var n = 0; !enough.IsCancellationRequested; n++)
        {
            try
            {
                await using var generation = await meter.StartAsync(
                    new()
                    {
                        Id = Samples.GenerationId($"{name}-{worker}-{n}"), Subscription = Samples.SubscriptionId(name), Conversation = $"c{worker}", Model = "small-model",
                        Prompt = new(Input: PromptEach), OutputTokensMax = TokensEach,
                    }, enough);
                while (await generation.RoomAsync(enough) is > 0 and var room) generation.Count(output: Math.Min(room, 25));
                await generation.FinishAsync(ct: enough);
            }
            catch (GenerationDeniedException denied)
            {
                // Nothing is left, or what a killed owner may have had out is still reserved; or the service has just begun.
                Assert.Contains(denied.Reason, new[] { "cap_reached", "store_unavailable" });
                await pace.WaitForNextTickAsync(CancellationToken.None);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>What the rows of a subscription, or of all, have used of the caps: kinds that count, overrun apart.</summary>
    private static Task<long> UsedAsync(UsageService service, string? name = null) => service.ScalarAsync<long>(
        $"select coalesce(sum(output + reasoning{(name == "whole" ? " + input + cached_input" : "")}), 0) from usage.token_event"
        + (name is null ? "" : $" where subscription = '{Ids.Parse(Ids.Subscription, Samples.SubscriptionId(name))}'"));
}
