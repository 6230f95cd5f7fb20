using System.Text.Json;
using Cli.Commands;
using Contracts.PlanDesign.V1;
using Grpc.Core;
using Hosting;
using RuntimeClient;

namespace EndToEnd.Tests;

/// <summary>The three services as production has them: nobody is let in without a key, they themselves included.</summary>
public sealed class When_keys_are_asked_for : IDisposable
{
    private readonly string _home = Directory.CreateTempSubdirectory("billing-keys-").FullName;

    public void Dispose() => Directory.Delete(_home, recursive: true);

    [Fact]
    public async Task The_month_is_played_with_the_operators_key_and_not_without()
    {
        var (admin, service, engine) = (AccessKey.NewText(), AccessKey.NewText(), AccessKey.NewText());
        await using var company = await Company.OpenAsync([],
            ("Access:Mode", "Keys"), ("Access:Keys:0", $"operator:admin:{AccessKey.Sha256Of(admin)}"), ("Access:Keys:1", $"services:service:{AccessKey.Sha256Of(service)}"), ("Access:Keys:2", $"engine:runtime:{AccessKey.Sha256Of(engine)}"), ("Calls:Key", service));
        Task<(int Exit, string Output, string Error)> Demo(string? key) => DotnetProcess.RunAsync(
            typeof(Cli.CommandLine).Assembly.Location, new Dictionary<string, string?> { ["BILLING_HOME"] = _home, [ServiceChannel.KeyVariable] = key }, "",
            "demo", "--connect", "--customers", "20", "--json", "--plan-design", $"{company.Address(Company.PlanDesign)}", "--usage", $"{company.Address(Company.Usage)}", "--billing", $"{company.Address(Company.Billing)}");

        var (refused, _, why) = await Demo(null);
        Assert.Equal(1, refused);
        Assert.Contains("needs an API key", why, StringComparison.Ordinal);

        var (exit, output, error) = await Demo(admin);
        Assert.True(exit == 0, error);
        var figures = JsonDocument.Parse(output).RootElement;
        Assert.True(figures.GetProperty("invoices").GetInt32() > 0);
        Assert.Equal(figures.GetProperty("tokensRecorded").GetInt64(), figures.GetProperty("tokensInvoiced").GetInt64());

        // A runtime with its key is metered. The program of the README shows one that nobody knows: that it came is what the refusal says.
        using var billing = OutgoingCalls.Open(company.Address(Company.Billing), admin, null, 64 << 20);
        var subscription = (await new Contracts.Billing.V1.Billing.BillingClient(billing).ListSubscriptionsAsync(new() { PageSize = 1 })).Subscriptions[0].SubscriptionId;
        await using (var meter = new MeterClient(company.Address(Company.Usage), new() { ApiKey = engine }))
        {
            await using var generation = await meter.StartAsync(new()
            {
                Id = GenerationId.Derive(Company.Jan1.AddMonths(1), "let-in"), Subscription = subscription, Conversation = "chat-1", Model = "my-model",
            });
            Assert.Equal(5, generation.Count(output: 5));
            await generation.FinishAsync();
        }
        // Who is still writing when the stream is refused may hear of the end of the stream before the reason for it.
        var stranger = await Eventually.Some(async () =>
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => When_a_runtime_connects.MeterAsync(company.Address(Company.Usage), AccessKey.NewText(), subscription, ["token"]));
            return refused.StatusCode == StatusCode.Cancelled ? null : refused;
        }, "a stranger is told why");
        Assert.Equal(StatusCode.Unauthenticated, stranger.StatusCode);
        Assert.Contains("no such API key", stranger.Status.Detail, StringComparison.Ordinal);

        // Plan design asks both others, with a key of its own.
        using var channel = OutgoingCalls.Open(company.Address(Company.PlanDesign), admin, null, 64 << 20);
        var planDesign = new Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient(channel);
        var menu = (await planDesign.ListMenusAsync(new())).Menus[0].MenuId;
        Assert.NotEqual("", (await planDesign.EstimateMarketAsync(new EstimateMarketRequest { MenuId = menu, Draws = 20 })).Outcome);
    }
}
