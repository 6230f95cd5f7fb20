using RuntimeClient;

namespace EndToEnd.Tests;

/// <summary>Windows and overage prices, from the draft of a menu to the invoice.</summary>
public sealed class When_a_menu_has_terms
{
    private static readonly TimeSpan NextWindow = TimeSpan.FromHours(6);

    [Fact]
    public async Task U1_B1_five_hours_hold_three_conversations_and_what_a_period_does_not_hold_is_billed_by_the_token()
    {
        await using var company = await Company.OpenAsync([]);
        await company.PublishMenuAsync(new() { FiveHoursConversations = 3, Overage = { Price("output", "12.50"), new Contracts.PlanDesign.V1.OveragePrice { Kind = "reasoning", Model = "package", PackageTokens = 100_000, PackagePriceMicros = 2_000_000 } } });
        var known = (await company.Deployment.Billing.GetMenuTermsAsync(new() { MenuId = company.Menu.MenuId })).Plans[0].Overage.Single(o => o.Kind == "reasoning");
        Assert.Equal(("package", "", 100_000, 2_000_000), (known.Model, known.PerMillionTokens, known.PackageTokens, known.PackagePriceMicros));
        var subscription = Assert.Single(await company.SubscribeAsync(1));
        var cap = company.CapOf(subscription.SubscriptionId, [subscription]);
        await using var meter = new MeterClient(company.Address(Company.Usage));

        const int windows = 8, conversations = 3 * windows;
        for (var window = 0; window < windows; window++)
        {
            for (var n = 0; n < 3; n++) Assert.Equal(cap, await ConverseAsync(meter, subscription.SubscriptionId, $"{window}-{n}", cap));
            var denied = await Assert.ThrowsAsync<GenerationDeniedException>(() => ConverseAsync(meter, subscription.SubscriptionId, $"{window}-3", cap));
            Assert.Equal("five_hours", denied.Window);
            await company.AdvanceAsync(company.Now + NextWindow);
        }

        await company.AdvanceAsync(Company.Jan1.AddMonths(1).AddHours(2));
        var invoice = Assert.Single(await Eventually.Some(async () => await company.FinalInvoicesAsync() is { Count: > 0 } found ? found : null, "the invoice is out", TimeSpan.FromMinutes(2)));
        Assert.Equal(Company.ConversationsPerPeriod * cap, invoice.Lines.Where(l => l is { Kind: "included", TokenKind: "output" }).Sum(l => l.Tokens));
        var beyond = Assert.Single(invoice.Lines, l => l.Kind == "overage");
        var tokens = (conversations - Company.ConversationsPerPeriod) * cap;
        Assert.Equal(tokens, beyond.Tokens);
        // A dollar for a million tokens is a micro for one; lines are in whole cents.
        Assert.InRange(beyond.AmountMicros, tokens * 12.5 - 10_000, tokens * 12.5 + 10_000);
    }

    private static Contracts.PlanDesign.V1.OveragePrice Price(string kind, string perMillionTokens) => new() { Kind = kind, PerMillionTokens = perMillionTokens };

    private static async Task<long> ConverseAsync(MeterClient meter, string subscription, string conversation, long cap)
    {
        await using var generation = await meter.StartAsync(new()
        {
            Id = GenerationId.Derive(Company.Jan1, conversation), Subscription = subscription, Conversation = conversation, Model = "a-model",
        });
        var generated = 0L;
        for (long room; generated < cap && (room = await generation.RoomAsync()) > 0;) generated += generation.Count(output: Math.Min(room, cap - generated));
        await generation.FinishAsync();
        return generated;
    }
}
