using Contracts.Billing.V1;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Verifier;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_subscription_is_paused
{
    private static readonly DateTimeOffset Jan11 = Jan1.AddDays(10), Mar11 = Mar1.AddDays(10);

    [Fact]
    public async Task It_is_charged_for_the_days_served_a_month_of_rest_has_no_invoice_and_everything_replays()
    {
        await using var app = await BillingApp.StartAsync();
        var s = await app.Subscribe(Small, "acme");
        var idle = await app.Subscribe(Small, "idle");
        var (id, january) = (s.SubscriptionId, s.CurrentPeriod.PeriodId);
        await app.Advance(Jan11);

        var pause = new PauseSubscriptionRequest { SubscriptionId = id, When = EffectiveWhen.Now, ResumeAt = Mar11.ToTimestamp() };
        var preview = await app.Billing.PreviewChangeAsync(new() { Pause = pause });
        Assert.Equal((20_000_000, 6_450_000, "active"), (preview.Before.TotalMicros, preview.After.TotalMicros, (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = id })).Status));
        var paused = await app.Billing.PauseSubscriptionAsync(pause, Key("pause"));
        Assert.Equal(paused, await app.Billing.PauseSubscriptionAsync(pause, Key("pause")));
        Assert.Equal(("paused", Jan11, Mar11), (paused.Status, paused.Pause.From.ToDateTimeOffset(), paused.Pause.ResumeAt.ToDateTimeOffset()));
        await Eventually.True(() => app.SubscriptionsHeard.Any(h => h is { Status: "paused" } && h.SubscriptionId == id), "usage heard of the pause");
        Assert.Equal("subscription_paused", await Reason(app.Billing.PauseSubscriptionAsync(new() { SubscriptionId = id, When = EffectiveWhen.Now })));
        Assert.Equal("customer_subscribed", await Reason(app.Billing.EraseCustomerAsync(new() { CustomerId = s.CustomerId })));
        Assert.Equal("resume_before_pause", await Reason(app.Billing.PauseSubscriptionAsync(new() { SubscriptionId = idle.SubscriptionId, When = EffectiveWhen.Now, ResumeAt = Jan1.ToTimestamp() })));

        // The other one rests from the end of its month on, until somebody resumes it.
        var planned = await app.Billing.PauseSubscriptionAsync(new() { SubscriptionId = idle.SubscriptionId, When = EffectiveWhen.PeriodEnd });
        Assert.Equal(("active", Feb1, (Timestamp?)null), (planned.Status, planned.Pause.From.ToDateTimeOffset(), planned.Pause.ResumeAt));
        await app.Advance(Feb1.AddHours(2));
        Assert.Equal("paused", (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = idle.SubscriptionId })).Status);

        // January is invoiced when seven of its tokens come in: they are February's to show, which has nothing else.
        await app.Publish(app.Usage.Record(3, Feb1, Line(s, "output", 7)));
        await app.Applied(3, 1);
        await app.Advance(Mar1.AddHours(2));
        Assert.Equal("period_empty", await Reason(app.Invoicing.FinalizeInvoiceAsync(new() { PeriodId = idle.NextPeriod.PeriodId })));
        Assert.Equal(0, await ToInvoice());
        await app.Advance(Mar11.AddDays(1));
        Assert.Equal("active", (await app.Billing.GetSubscriptionAsync(new() { SubscriptionId = id })).Status);
        Assert.Equal(1, await ToInvoice());
        await app.Advance(Apr1.AddHours(2));

        Assert.Equal(
            [(january, "period_fee", 0, 6_450_000), (january, "period_fee", 0, 0), (s.NextPeriod.PeriodId, "period_fee", 0, 0), (s.NextPeriod.PeriodId, "adjustment", 7, 0), (idle.CurrentPeriod.PeriodId, "period_fee", 0, 20_000_000)],
            (await app.FinalInvoices()).Where(i => i.Period.Number < 2).OrderBy(i => i.SubscriptionId == idle.SubscriptionId).ThenBy(i => i.Period.Number)
                .SelectMany(i => i.Lines.Select(l => (i.Period.PeriodId, l.Kind, l.Tokens, l.AmountMicros))));
        var march = Assert.Single(await app.FinalInvoices(), i => i.Period.Number == 2);
        Assert.Equal((id, 13_550_000), (march.SubscriptionId, march.TotalMicros));
        await app.CaughtUp();
        Assert.Equal([true, true, true, true], (await app.Replay()).Select(r => r.Identical));
        Assert.Empty(VerifyExport.Check(await app.Audit.Export(new()).ResponseStream.ReadAllAsync().Select(l => l.Json).ToListAsync()));

        async Task<long> ToInvoice() => (await app.Ledger.GetTrialBalanceAsync(new() { AsOf = Mar1.AddDays(1).ToTimestamp() })).PeriodsToInvoice;
    }

    private static Metadata Key(string key) => new() { { "idempotency-key", key } };

    private static async Task<string> Reason<T>(AsyncUnaryCall<T> call) => (await Assert.ThrowsAsync<RpcException>(async () => await call)).GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason;
}
