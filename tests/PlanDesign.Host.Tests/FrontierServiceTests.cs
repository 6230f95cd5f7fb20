using Contracts.PlanDesign.V1;
using PlanDesign.Reports;

namespace PlanDesign.Host.Tests;

/// <summary>What no certificate supports has no figures on the wire either, and the same sentences say so.</summary>
public sealed class FrontierServiceTests(PlanDesignFixture small) : IClassFixture<PlanDesignFixture>
{
    // The panels of a diffusion are more than the small limits of the fixture.
    private Task<RunningPlanDesign> StartAsync() => RunningPlanDesign.StartAsync(small.Postgres, small.RabbitMq);

    [Fact]
    public async Task Where_some_menus_are_not_certified_the_frontier_says_so_as_the_report_does()
    {
        // Certified while tokens are cheap, and not where a token costs three hundredths of an answer.
        var request = Request(prior: 0.125, information: 0.1, costPerToken: 0.02);
        request.Options = new() { Constraints = new() { NobodyExcluded = true } };
        var first = Report(request);
        request.CapacityTokensPerSecond = first.Capacity.First(row => !row.HasFigures).TokensPerSecond!.Value;

        await using var plans = await StartAsync();
        var (frontier, report) = (await plans.Client.GetFrontierAsync(request), Report(request));
        Same(report, frontier);
        Assert.Contains(frontier.Capacity, p => p.NotCertified);
        Assert.Contains(frontier.Capacity, p => p is { NotCertified: false, Profit: > 0 });
        Assert.True(frontier.Today.NotCertified);
        Assert.Contains(frontier.Gpus, g => g.NotCertified);
        Assert.Contains(frontier.Notices, n => n.StartsWith("the certificate does not hold for the best menus of a capacity of ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Where_not_even_what_the_market_would_take_is_certified_no_capacity_has_figures()
    {
        var request = Request(prior: 0.102, information: 0.01, costPerToken: 0.01);
        await using var plans = await StartAsync();
        var frontier = await plans.Client.GetFrontierAsync(request);
        Same(Report(request), frontier);
        Assert.Equal(11, frontier.Capacity.Count(p => p is { NotCertified: true, TokensPerConversation: 0, HasTokensPerSecond: false, HasProfitPerSecond: false }));
        Assert.Contains(frontier.TokenCosts, c => c is { CostPerToken: 0.01, NotCertified: true, Profit: 0 });
        Assert.Contains("the certificate does not hold for the best menu without a limit on capacity: no capacity has figures", frontier.Notices);
    }

    private static GetFrontierRequest Request(double prior, double information, double costPerToken) => new()
    {
        Market = new()
        {
            Urgency = new() { Uniform = new() { From = 0, To = 1 }, TypeCount = 8 },
            AnswerTime = new() { Diffusion = new() { Prior = prior, Lower = 0.1, Upper = 0.9, InformationPerSecond = information }, CapTokensMax = 20 },
            TokensPerSecond = 500, ValuePerAnswer = 1, ServingCostPerToken = costPerToken,
        },
        ConversationsPerSecond = 100, GpuTokensPerSecond = 500,
    };

    private static FrontierReport Report(GetFrontierRequest request)
    {
        var (market, options) = request.Options.ToSolve(request.Market);
        return FrontierReport.Of(market, options, new(request.ConversationsPerSecond, request.GpuTokensPerSecond, request.CapacityTokensPerSecond == 0 ? null : request.CapacityTokensPerSecond));
    }

    private static void Same(FrontierReport report, Frontier frontier)
    {
        Assert.Equal(report.Notices, frontier.Notices);
        Assert.Equal(
            report.Capacity.Append(report.Today).OfType<CapacityRow>().Select(r => (!r.HasFigures, r.ShareOfDemand, r.TokensPerConversation ?? 0, r.Profit ?? 0, r.ShadowPricePerToken ?? 0, r.TokensPerSecond, r.ProfitPerSecond)),
            frontier.Capacity.Append(frontier.Today).OfType<CapacityPoint>().Select(p => (
                p.NotCertified, p.ShareOfDemand, p.TokensPerConversation, p.Profit, p.ShadowPricePerToken,
                p.HasTokensPerSecond ? p.TokensPerSecond : (double?)null, p.HasProfitPerSecond ? p.ProfitPerSecond : (double?)null)));
        Assert.Equal(report.TokenCosts.Select(c => (!c.HasFigures, c.CostPerToken, c.Profit ?? 0)), frontier.TokenCosts.Select(c => (c.NotCertified, c.CostPerToken, c.Profit)));
        Assert.Equal(report.Gpus.Select(g => (!g.HasFigures, g.Gpus, g.TokensPerSecond, g.ProfitPerSecond ?? 0)), frontier.Gpus.Select(g => (g.NotCertified, g.Gpus, g.TokensPerSecond, g.ProfitPerSecond)));
    }
}
