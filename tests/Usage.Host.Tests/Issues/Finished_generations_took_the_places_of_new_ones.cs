using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>They were forgotten only at a moment at which no call of their subscription was under way, and a busy one has none.</summary>
public sealed class Finished_generations_took_the_places_of_new_ones
{
    [Fact]
    public async Task U2_one_that_is_over_takes_no_place_while_calls_of_its_subscription_are_under_way()
    {
        await using var service = await UsageService.StartAsync(("Usage:GenerationsPerSubscriptionMax", "10"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var owners = service.App.Services.GetRequiredService<OwnerDirectory>();
        var cell = owners.Pin(Ids.Parse(Ids.Subscription, Samples.SubscriptionId("alice")));
        for (var n = 1; n <= 12; n++)
        {
            Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start($"g{n}", "alice") })).Grant);
            Assert.True((await service.Meter.SettleAsync(new SettleRequest { Finish = Samples.Finish($"g{n}", 1) })).Ack.Finished);
        }
        await Eventually.True(() => owners.Running == 0, "all of them are forgotten");
        owners.Unpin(cell);
    }
}
