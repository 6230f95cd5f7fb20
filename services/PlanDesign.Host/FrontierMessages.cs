using Contracts.PlanDesign.V1;
using PlanDesign.Reports;

namespace PlanDesign.Host;

/// <summary>The frontier of capacity, as callers ask for and receive it.</summary>
internal static class FrontierMessages
{
    public static Traffic ToTraffic(this GetFrontierRequest request)
    {
        static double? Known(double value) => value == 0 ? null : value;
        return new(Known(request.ConversationsPerSecond), Known(request.GpuTokensPerSecond), Known(request.CapacityTokensPerSecond));
    }

    public static Frontier ToMessage(this FrontierReport report) => new()
    {
        Capacity = { report.Capacity.Select(Point) },
        Today = report.Today is { } today ? Point(today) : null,
        TokenCosts = { report.TokenCosts.Select(c => new TokenCostPoint { CostPerToken = c.CostPerToken, Profit = c.Profit, Revenue = c.Revenue, ServingCost = c.ServingCost, TokensPerConversation = c.TokensPerConversation, ShareServed = c.ShareServed }) },
        Gpus = { report.Gpus.Select(g => new GpuPoint { Gpus = g.Gpus, TokensPerSecond = g.TokensPerSecond, Utilisation = g.Utilisation, ProfitPerSecond = g.ProfitPerSecond, OneLessCostsPerSecond = g.OneLessCostsPerSecond }) },
    };

    private static CapacityPoint Point(CapacityRow row)
    {
        var point = new CapacityPoint
        {
            ShareOfDemand = row.ShareOfDemand, TokensPerConversation = row.TokensPerConversation, ShadowPricePerToken = row.ShadowPricePerToken,
            Profit = row.Profit, Revenue = row.Revenue, ServingCost = row.ServingCost, ShareServed = row.ShareServed,
        };
        if (row.TokensPerSecond is { } tokens) point.TokensPerSecond = tokens;
        if (row.ProfitPerSecond is { } profit) point.ProfitPerSecond = profit;
        if (row.RevenuePerSecond is { } revenue) point.RevenuePerSecond = revenue;
        return point;
    }
}
