using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
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

    [Fact]
    public async Task Credit_that_was_granted_wrongly_is_taken_back_once_and_pays_nothing()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Small);
        var (grant, jan10) = (Ids.Derive("crd", Jan1, "wrong"), Jan1.AddDays(9));
        await app.Agreements.GrantMoneyCreditAsync(new() { CustomerId = subscription.CustomerId, GrantId = grant, Name = "Goodwill", AmountMicros = 5_000_000_000 });
        await app.Advance(jan10);
        EndAgreementRequest back = new() { CustomerId = subscription.CustomerId, AgreementId = grant };
        var account = await app.Agreements.EndAgreementAsync(back);
        Assert.Equal((jan10, 5_000_000_000), (account.Credit.Single().ExpiresAt.ToDateTimeOffset(), account.Credit.Single().Left));
        await app.Advance(Feb1.AddHours(1));
        Assert.Equal(account.Version, (await app.Agreements.EndAgreementAsync(back)).Version);
        Assert.Equal(20_000_000, (await app.FinalInvoices()).Single().TotalMicros);
        var balance = await app.Ledger.GetTrialBalanceAsync(new() { CustomerId = subscription.CustomerId });
        Assert.Equal((0, 5_000_000_000, -5_000_000_000), (On("2000"), On("4900"), On("4910")));
        await Refused("agreement_unknown", app.Agreements.EndAgreementAsync(new(back) { AgreementId = Ids.Derive("crd", Jan1, "a typo") }));
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));

        long On(string code) => balance.Balances.SingleOrDefault(b => b.Account.Code == code)?.BalanceMicros ?? 0;
    }

    [Fact]
    public async Task Nothing_is_granted_for_what_is_over_or_to_somebody_who_was_erased_and_what_was_may_end()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Small);
        await app.Advance(Jan1.AddDays(9));
        await app.Billing.CancelSubscriptionAsync(new() { SubscriptionId = subscription.SubscriptionId, When = EffectiveWhen.Now });
        var discount = new GrantDiscountRequest { CustomerId = subscription.CustomerId, SubscriptionId = subscription.SubscriptionId, DiscountId = Ids.Derive("dis", Jan1, "goodwill"), Name = "Goodwill", Percent = "20" };
        await Refused("subscription_cancelled", app.Agreements.GrantDiscountAsync(discount));
        await app.Agreements.GrantDiscountAsync(new(discount) { From = Jan1.ToTimestamp() });
        await app.Advance(Feb1.AddHours(1));
        await app.Billing.EraseCustomerAsync(new() { CustomerId = subscription.CustomerId });

        var (id, events) = (subscription.CustomerId, await Events());
        await Refused("customer_erased", app.Agreements.GrantMoneyCreditAsync(new() { CustomerId = id, Name = "Goodwill", AmountMicros = 5_000_000 }));
        await Refused("customer_erased", app.Agreements.GrantTokenCreditAsync(new() { CustomerId = id, Name = "Goodwill", Tokens = 5 }));
        await Refused("customer_erased", app.Agreements.GrantDiscountAsync(new() { CustomerId = id, Name = "Goodwill", Percent = "20" }));
        await Refused("customer_erased", app.Agreements.AgreeCommitmentAsync(new() { CustomerId = id, SubscriptionId = subscription.SubscriptionId, AmountMicros = 30_000_000 }));
        await Refused("customer_erased", app.Agreements.SetTaxTreatmentAsync(new() { CustomerId = id, Jurisdiction = "DE", Treatment = "standard" }));
        Assert.Equal(events, await Events());
        Assert.NotNull((await app.Agreements.EndAgreementAsync(new() { CustomerId = id, AgreementId = discount.DiscountId })).Discounts.Single().Until);

        Task<long> Events() => app.Sql<long>("select count(*) from billing.mt_events where stream_id like 'acct_%'");
    }

    private static async Task Refused(string reason, AsyncUnaryCall<Account> call)
    {
        using (call) Assert.Equal(reason, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync)).GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason);
    }
}
