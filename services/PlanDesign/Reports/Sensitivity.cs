using PlanDesign.Comparison;
using PlanDesign.Screening;

namespace PlanDesign.Reports;

/// <param name="Change">What is different from the market that was assumed, in words.</param>
/// <param name="ProfitKept">What the menu earns there if it stays as it is, every customer choosing anew. Money per conversation.</param>
/// <param name="ProfitAdapted">What the best menu of that market earns, with the same options; null where none can be had, or its certificate does not hold.</param>
public sealed record SensitivityPoint(string Change, double ProfitKept, double? ProfitAdapted)
{
    /// <summary>The best menu of that market is not certified.</summary>
    public bool NotCertified { get; init; }
}

/// <summary>
/// How much hangs on what nobody knows exactly: the menu in markets that differ from the assumed one in one number, kept as it is and solved
/// anew. The first point is the assumed market itself.
/// </summary>
public static class Sensitivity
{
    private const int MarketsMax = 6;

    /// <summary>A sentence for each market whose best menu has no figures because its certificate does not hold.</summary>
    public static IEnumerable<string> WithoutFigures(IEnumerable<SensitivityPoint> points) =>
        from point in points
        where point.NotCertified
        select $"the certificate does not hold for the best menu of a market that is not as assumed ({point.Change}): it has no figures";

    /// <param name="solution">Solved, and usable, for this market and these options.</param>
    public static IReadOnlyList<SensitivityPoint> Of(Market market, SolveOptions options, MenuSolution solution, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        PlanOffer[] offers = [.. solution.Tiers.Select(t => new PlanOffer(t.CapTokens, t.PricePerConversation))];
        // The grid stays that of the assumed market, or a change of the grid would pass for a change of the profit.
        var pinned = market with { CapTokensMax = market.Grid(cancellation: cancellation).CapTokensMax };
        var tried = 0;
        SensitivityPoint At(string change, Market changed)
        {
            var adapted = MenuSolver.Solve(changed, options, new PartOfProgress(progress, tried++ / (double)MarketsMax, 1.0 / MarketsMax), cancellation);
            return new(change, RunningMenu.Of(changed, offers).Profit, adapted.IsUsable ? adapted.Profit : null) { NotCertified = adapted.ExitReason == ExitReason.NotCertified };
        }
        return
        [
            new("as assumed", solution.Profit, solution.Profit),
            At("answers worth 10 % less", pinned with { ValuePerAnswer = 0.9 * market.ValuePerAnswer }),
            At("answers worth 10 % more", pinned with { ValuePerAnswer = 1.1 * market.ValuePerAnswer }),
            At("tokens come 20 % slower", pinned with { TokensPerSecond = 0.8 * market.TokensPerSecond }),
            At("tokens come 20 % faster", pinned with { TokensPerSecond = 1.2 * market.TokensPerSecond }),
            .. market.ServingCostPerToken == 0
                ? Array.Empty<SensitivityPoint>()
                : [At("a token costs half", pinned with { ServingCostPerToken = market.ServingCostPerToken / 2 }), At("a token costs twice", pinned with { ServingCostPerToken = 2 * market.ServingCostPerToken })],
        ];
    }
}
