using Contracts.Billing.V1;
using Grpc.Core;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_something_is_agreed
{
    [Fact]
    public async Task Nothing_is_agreed_for_a_subscription_that_is_not_the_customers()
    {
        await using var app = await BillingApp.StartAsync();
        var (ours, theirs) = (await app.Subscribe(Small), await app.Subscribe(Small, "somebody else"));
        var nobodys = Ids.Derive(Ids.Subscription, Jan1, "a typo");
        foreach (var id in new[] { theirs.SubscriptionId, nobodys })
        {
            await Refused("subscription_unknown", app.Agreements.AgreeCommitmentAsync(new() { CustomerId = ours.CustomerId, SubscriptionId = id, AmountMicros = 30_000_000 }));
            await Refused("subscription_unknown", app.Agreements.GrantDiscountAsync(new() { CustomerId = ours.CustomerId, SubscriptionId = id, Name = "Goodwill", Percent = "20" }));
        }
        Assert.Equal(0, await app.Sql<long>("select count(*) from billing.mt_events where type in ('commitment_agreed', 'discount_granted')"));

        var commitment = new AgreeCommitmentRequest { CustomerId = ours.CustomerId, SubscriptionId = ours.SubscriptionId, CommitmentId = Ids.Derive("com", Jan1, "minimum"), AmountMicros = 30_000_000 };
        var agreed = await app.Agreements.AgreeCommitmentAsync(commitment);
        await app.Agreements.GrantDiscountAsync(new() { CustomerId = ours.CustomerId, SubscriptionId = ours.SubscriptionId, Name = "Goodwill", Percent = "20" });
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = ours.SubscriptionId, When = EffectiveWhen.Now });
        Assert.Equal(agreed.Commitments, (await app.Agreements.AgreeCommitmentAsync(commitment)).Commitments);
        await Refused("subscription_cancelled", app.Agreements.AgreeCommitmentAsync(new(commitment) { CommitmentId = "" }));
    }

    private static async Task Refused(string reason, AsyncUnaryCall<Account> call)
    {
        using (call) Assert.Equal(reason, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
    }
}
