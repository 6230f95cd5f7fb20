using Contracts.Usage.V1;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host.Owners;

namespace Usage.Host.Tests.Issues;

/// <summary>One message of Starts for subscriptions that nobody has made as many calls to billing at once, and as many owners that stayed in memory.</summary>
public sealed class A_flood_of_invented_subscriptions_reached_billing
{
    [Fact]
    public async Task Billing_is_asked_about_so_many_at_once_and_nothing_is_kept_of_those_that_it_does_not_know()
    {
        await using var billing = await BillingStandIn.StartAsync();
        await using var service = await UsageService.StartAsync(("Usage:BillingAddress", billing.Address), ("Usage:BillingAsksMax", "4"));
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        var answers = new TaskCompletionSource();
        (billing.Answers, billing.KnowsNobody) = (answers.Task, true);
        await using var stream = new RuntimeStream(service.Meter);
        const int invented = 500;
        await stream.SendAsync([.. Enumerable.Range(0, invented).Select(n => new RuntimeFrame { Start = Samples.Start($"g{n}", $"invented {n}", $"c{n}") })]);
        // Whoever is beyond the bound hears at once that he may ask again, and when.
        var beyond = await stream.Answer(f => f.Deny, d => d.Reason == "lookups_too_many");
        Assert.NotNull(beyond.RetryAfter);
        // Another who is known is served meanwhile.
        await using var honest = new RuntimeStream(service.Meter);
        await honest.SendAsync(Samples.Start("a", "alice"));
        await honest.GrantOf("a");

        answers.SetResult();
        await Eventually.True(() => stream.Answers.Count == invented, "every Start is answered");
        Assert.All(stream.Answers, f => Assert.Contains(f.Deny.Reason, new[] { "subscription_unknown", "lookups_too_many" }));
        Assert.InRange(billing.AskingMost, 1, 4);
        var owners = service.App.Services.GetRequiredService<OwnerDirectory>();
        await Eventually.True(() => owners.Owners == 1, "only the owner of alice is kept");

        // Nothing is held against a subscription that is sold since.
        billing.KnowsNobody = false;
        await service.SubscribeAsync(Samples.Snapshot("invented 7"));
        await stream.SendAsync(Samples.Start("g7 again", "invented 7"));
        await stream.GrantOf("g7 again");
    }
}
