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
        TokenCosts =
        {
            report.TokenCosts.Select(c => new TokenCostPoint
            {
                CostPerToken = c.CostPerToken, NotCertified = !c.HasFigures, Profit = c.Profit ?? 0, Revenue = c.Revenue ?? 0, ServingCost = c.ServingCost ?? 0,
                TokensPerConversation = c.TokensPerConversation ?? 0, ShareServed = c.ShareServed ?? 0,
            }),
        },
        Gpus =
        {
            report.Gpus.Select(g => new GpuPoint
            {
                Gpus = g.Gpus, TokensPerSecond = g.TokensPerSecond, NotCertified = !g.HasFigures,
                Utilisation = g.Utilisation ?? 0, ProfitPerSecond = g.ProfitPerSecond ?? 0, OneLessCostsPerSecond = g.OneLessCostsPerSecond ?? 0,
            }),
        },
        Notices = { report.Notices },
    };

    private static CapacityPoint Point(CapacityRow row)
    {
        var point = new CapacityPoint
        {
            ShareOfDemand = row.ShareOfDemand, TokensPerConversation = row.TokensPerConversation ?? 0, NotCertified = !row.HasFigures, ShadowPricePerToken = row.ShadowPricePerToken ?? 0,
            Profit = row.Profit ?? 0, Revenue = row.Revenue ?? 0, ServingCost = row.ServingCost ?? 0, ShareServed = row.ShareServed ?? 0,
        };
        if (row.TokensPerSecond is { } tokens) point.TokensPerSecond = tokens;
        if (row.ProfitPerSecond is { } profit) point.ProfitPerSecond = profit;
        if (row.RevenuePerSecond is { } revenue) point.RevenuePerSecond = revenue;
        return point;
    }
}
