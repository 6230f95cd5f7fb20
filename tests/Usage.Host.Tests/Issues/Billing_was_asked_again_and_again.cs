using Contracts.Usage.V1;

namespace Usage.Host.Tests.Issues;

/// <summary>While billing had nothing newer to say, each Start and each look at a balance asked it once more.</summary>
public sealed class Billing_was_asked_again_and_again
{
    [Fact]
    public async Task Billing_is_asked_once_for_terms_that_it_does_not_have()
    {
        await using var billing = await BillingStandIn.StartAsync(unknown: Samples.SubscriptionId("ghost"));
        await using var service = await UsageService.PrepareAsync(settings: [("Usage:BillingAddress", billing.Address), ("Usage:BillingAskedAgainSeconds", "3600")]);
        await service.ListenAsync();
        await service.StartHostAsync();
        await service.ReadyAsync();

        for (var n = 0; n < 10; n++)
            Assert.Equal("subscription_unknown", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start($"ghost{n}", "ghost") })).Deny.Reason);
        Assert.Equal(1, billing.Asked);

        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = Samples.Start("g", "alice") })).Grant);
        Assert.Equal(2, billing.Asked);
        // Its periods run out, and it has no newer ones.
        Assert.Null(service.Clock.MoveTo(Samples.Mar1));
        for (var n = 0; n < 10; n++)
        {
            var late = Samples.Start($"late{n}", "alice");
            late.GenerationId = Samples.GenerationId($"late{n}", Samples.Mar1);
            Assert.Equal("subscription_stale", (await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = late })).Deny.Reason);
            await service.Ledger.GetBalanceAsync(new GetBalanceRequest { SubscriptionId = Samples.SubscriptionId("alice") });
        }
        Assert.Equal(3, billing.Asked);

        // Whatever was answered, a snapshot that comes is heard at once.
        await service.SubscribeAsync(Samples.Snapshot("alice") with
        {
            Version = 5,
            CurrentPeriod = new(Samples.PeriodId("alice", 2), 2, Samples.Mar1, Samples.Mar1.AddMonths(1)),
            NextPeriod = new(Samples.PeriodId("alice", 3), 3, Samples.Mar1.AddMonths(1), Samples.Mar1.AddMonths(2)),
        });
        var again = Samples.Start("again", "alice");
        again.GenerationId = Samples.GenerationId("again", Samples.Mar1);
        Assert.NotNull((await service.Meter.AuthorizeAsync(new AuthorizeRequest { Start = again })).Grant);
        Assert.Equal(3, billing.Asked);
    }
}
