using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace EndToEnd.Tests;

/// <summary>A correction that support makes in usage, on its way to the customer's invoice.</summary>
public sealed class When_usage_is_corrected
{
    private static readonly DateTimeOffset Feb1 = Company.Jan1.AddMonths(1), Mar1 = Company.Jan1.AddMonths(2);

    [Fact]
    public async Task B3_it_is_on_the_invoice_of_its_period_or_once_that_is_out_an_adjustment_on_the_next()
    {
        await using var company = await Company.OpenAsync([]);
        await company.PublishMenuAsync();
        var subscription = Assert.Single(await company.SubscribeAsync(1));
        using var channel = GrpcChannel.ForAddress(company.Address(Company.Usage));
        var (meter, corrections) = (new TokenMeter.TokenMeterClient(channel), new UsageCorrections.UsageCorrectionsClient(channel));
        var generation = RuntimeClient.GenerationId.Derive(Company.Jan1, "corrected");
        var authorized = await meter.AuthorizeAsync(new()
        {
            Start = new() { GenerationId = generation, SubscriptionId = subscription.SubscriptionId, Conversation = "chat", Model = "a-model", Prompt = new() { Input = 9 } },
        });
        Assert.NotNull(authorized.Grant);
        await meter.SettleAsync(new() { Finish = new() { GenerationId = generation, Sequence = 1, Reason = FinishReason.Stop, Totals = new() { Output = 100 } } });

        // Forty of them were counted twice; that is seen while January runs.
        await corrections.AmendUsageAsync(new() { GenerationId = generation, Deltas = new() { Output = -40 }, Author = "ada", Reason = "counted twice" }, Key("amend"));
        await company.AdvanceAsync(Feb1.AddHours(2));
        var january = Assert.Single(await InvoicesAsync(company, 1));
        Assert.Equal(69, january.Lines.Sum(l => l.Tokens));

        // The rest was nonsense; that is seen when the invoice is out.
        var taken = await corrections.VoidUsageAsync(new() { GenerationId = generation, Author = "ada", Reason = "nonsense" }, Key("void"));
        Assert.Equal((-9, -60), (taken.Corrections.Sum(c => c.Tokens.Input), taken.Corrections.Sum(c => c.Tokens.Output)));
        await company.AdvanceAsync(Mar1.AddHours(2));
        var february = (await InvoicesAsync(company, 2)).Single(i => i.InvoiceId != january.InvoiceId);
        var adjusted = february.Lines.Where(l => l.Kind == "adjustment").ToList();
        Assert.Equal(-69, adjusted.Sum(l => l.Tokens));
        Assert.All(adjusted, l => Assert.Equal(january.Period.PeriodId, l.AboutPeriodId));
        Assert.Equal(january.Lines.Sum(l => l.Tokens), (await InvoicesAsync(company, 2)).Single(i => i.InvoiceId == january.InvoiceId).Lines.Sum(l => l.Tokens)); // never edited
    }

    private static Task<IReadOnlyList<Contracts.Billing.V1.Invoice>> InvoicesAsync(Company company, int count) => Eventually.Some(
        async () => await company.FinalInvoicesAsync() is { } found && found.Count >= count ? found : null, $"{count} invoices are out", TimeSpan.FromMinutes(2));

    private static Metadata Key(string key) => new() { { "idempotency-key", key } };
}
