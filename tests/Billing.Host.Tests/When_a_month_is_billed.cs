using Contracts.Billing.V1;
using static Billing.Host.Tests.BillingApp;

namespace Billing.Host.Tests;

public sealed class When_a_month_is_billed
{
    [Fact]
    public async Task From_a_published_menu_to_a_final_invoice_that_replays_byte_for_byte()
    {
        await using var app = await BillingApp.StartAsync();
        var subscription = await app.Subscribe(Metered);
        Assert.Equal((Jan1, Feb1, Mar1), (subscription.CurrentPeriod.Start.ToDateTimeOffset(), subscription.CurrentPeriod.End.ToDateTimeOffset(), subscription.NextPeriod.End.ToDateTimeOffset()));
        await Eventually.True(() => app.SubscriptionsHeard.Any(s => s.SubscriptionId == subscription.SubscriptionId && s.Version == 1), "usage heard of the subscription");

        await app.Publish(app.Usage.Record(3, Jan1, Line(subscription, "output", 1_500), Line(subscription, "input", 700)));
        await app.Applied(3, 1);
        await Eventually.True(async () => (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Lines.Sum(l => l.Tokens) == 2_200, "the draft follows usage");
        Assert.Equal(InvoiceStatus.Draft, (await app.InvoiceOf(subscription.CurrentPeriod.PeriodId)).Status);

        await app.Advance(Feb1.AddHours(1));

        var invoice = await app.InvoiceOf(subscription.CurrentPeriod.PeriodId);
        Assert.Equal((InvoiceStatus.Finalized, "INV-000001"), (invoice.Status, invoice.Number));
        // 500 tokens beyond the cap at 12.5 per million are 0.00625: the one rounding makes a cent of it.
        Assert.Equal([("period_fee", 0, 5_000_000), ("included", 700, 0), ("included", 1_000, 0), ("overage", 500, 10_000)],
            invoice.Lines.Select(l => (l.Kind, l.Tokens, l.AmountMicros)));
        Assert.Equal(5_010_000, invoice.TotalMicros);
        await Eventually.True(() => app.InvoicesHeard.Any(i => i.Number == "INV-000001" && i.TotalMicros == 5_010_000), "the books heard of the invoice");
        await Eventually.True(() => app.SubscriptionsHeard.Any(s => s.Version == 2 && s.CurrentPeriod.Number == 1 && s.NextPeriod.Number == 2), "usage heard of the new period");

        await app.CaughtUp();
        Assert.All(await app.Replay(), r => Assert.True(r.Identical, r.Difference));
        Assert.All(await app.VerifySeals(), s => Assert.True(s.Intact, s.Finding));
    }
}
