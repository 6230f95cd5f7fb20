using Contracts.Billing.V1;
using RuntimeClient;

namespace EndToEnd.Tests;

/// <summary>A pause, from billing to the caps that usage holds, and back to the invoice.</summary>
public sealed class When_a_subscription_rests
{
    [Fact]
    public async Task Nothing_more_is_granted_what_runs_keeps_its_grant_and_the_windows_go_on_when_it_is_resumed()
    {
        await using var company = await Company.OpenAsync([]);
        await company.PublishMenuAsync(new() { FiveHoursConversations = 3 });
        var subscription = Assert.Single(await company.SubscribeAsync(1));
        var (id, cap) = (subscription.SubscriptionId, company.CapOf(subscription.SubscriptionId, [subscription]));
        await using var meter = new MeterClient(company.Address(Company.Usage));
        await company.AdvanceAsync(Company.Jan1.AddDays(10));

        await using var running = await meter.StartAsync(Generation("running", id));
        var granted = await running.RoomAsync();
        var generated = running.Count(output: 1);
        await company.Deployment.Billing.PauseSubscriptionAsync(new() { SubscriptionId = id, When = EffectiveWhen.Now, ResumeAt = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(Company.Jan1.AddDays(20)) });
        await Heard(company, id, "paused");
        Assert.Equal("subscription_paused", (await Assert.ThrowsAsync<GenerationDeniedException>(() => meter.StartAsync(Generation("refused", id)))).Reason);
        for (long room; (room = await running.RoomAsync()) > 0;) generated += running.Count(output: room);
        await running.FinishAsync();
        Assert.Equal(granted, generated);
        Assert.True(granted < cap, "the grant was a part of the conversation's cap");

        // It goes on by itself: the window of five hours is a new one, that of the period holds what was used in it.
        await company.AdvanceAsync(Company.Jan1.AddDays(20));
        await Heard(company, id, "active");
        await using var next = await meter.StartAsync(Generation("next", id));
        for (long room; (room = await next.RoomAsync()) > 0;) generated += next.Count(output: room);
        await next.FinishAsync();
        Assert.Equal(granted + cap, generated);
        var windows = (await company.Deployment.Ledger.GetBalanceAsync(new() { SubscriptionId = id })).Windows;
        Assert.Equal((generated, cap), (windows.Single(w => w.Window == "billing_period").UsedTokens, windows.Single(w => w.Window == "five_hours").UsedTokens));

        await company.AdvanceAsync(Company.Jan1.AddMonths(1).AddHours(2));
        var invoice = Assert.Single(await Eventually.Some(async () => await company.FinalInvoicesAsync() is { Count: > 0 } found ? found : null, "the invoice is out", TimeSpan.FromMinutes(2)));
        Assert.Equal(generated, invoice.Lines.Where(l => l.TokenKind == "output").Sum(l => l.Tokens));
        Assert.Equal(["2026-01-01 to 2026-01-10, 32.2581 % of 2026-01-01 to 2026-01-31", "2026-01-11 to 2026-01-20, paused", "2026-01-21 to 2026-01-31, 35.4839 % of 2026-01-01 to 2026-01-31"],
            invoice.Lines.Where(l => l.Kind == "period_fee").Select(l => l.Description[(l.Description.IndexOf(',', StringComparison.Ordinal) + 2)..]));
        Assert.InRange(invoice.TotalMicros, company.Menu.Plans[0].PeriodFeeMicros * 21 / 31 - 10_000, company.Menu.Plans[0].PeriodFeeMicros * 21 / 31 + 10_000);
    }

    private static GenerationRequest Generation(string name, string subscription) =>
        new() { Id = GenerationId.Derive(Company.Jan1.AddDays(10), name), Subscription = subscription, Conversation = name, Model = "a-model" };

    private static Task Heard(Company company, string subscription, string status) => Eventually.True(
        async () => (await company.Deployment.Ledger.GetBalanceAsync(new() { SubscriptionId = subscription })).Status == status, $"usage heard that the subscription is {status}", TimeSpan.FromMinutes(1));
}
