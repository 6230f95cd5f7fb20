using PlanDesign.Screening;
using PlanDesign.Screening.Certificates;
using PlanDesign.Urgency;

namespace PlanDesign.AnswerTimes;

/// <summary>Answer times near a threshold are cut into hundreds of thousands of panels: that is counted beforehand, and can be cancelled.</summary>
public sealed class PanelTests
{
    private static Market Near(AnswerTime answerTime) => new(new UniformUrgency(0, 1), answerTime, 5, 1, 0) { TypeCount = 40, CapTokensMax = 300 };

    public static TheoryData<AnswerTime> Beliefs => [new GreedyAnswerTime(new(0.102, 0.1, 0.9, 0.01)), new DiffusionAnswerTime(new(0.102, 0.1, 0.9, 0.01))];

    [Theory, MemberData(nameof(Beliefs))]
    public void Who_goes_away_while_panels_are_made_stops_them(AnswerTime answerTime)
    {
        var (market, gone) = (Near(answerTime), new CancellationToken(canceled: true));
        Assert.Throws<OperationCanceledException>(() => new MarketTables(market, market.Grid(), gone));
        Assert.Throws<OperationCanceledException>(() => new CheckerTables(market, market.Grid().CapTokensMax, cancellation: gone));
    }

    [Fact]
    public void Work_and_memory_count_the_panels_of_both_the_solver_and_the_certificate()
    {
        // At so near a prior the certificate takes many thousands of panels of its own in each of 300 tokens, and keeps them for both ends of cells.
        var market = Near(new GreedyAnswerTime(new(0.1002, 0.1, 0.9, 0.01)));
        Assert.InRange(CheckerBeliefs.Panels(market.AnswerTime, 5, 300), 1_000_000, 300L * 32_768);
        Assert.True(SolveMemory.Bytes(market, market.Grid(), new()) > 2L * 96 * CheckerBeliefs.Panels(market.AnswerTime, 5, 300));
        Assert.True(SolveWork.Cells(market, market.Grid(), new()) > 100 * CheckerBeliefs.Panels(market.AnswerTime, 5, 300));
        // Each is discounted for every type, and again for whatever the menu is compared with.
        Assert.InRange(SolveWork.CellsCompared(market, market.Grid(), new()) / SolveWork.Cells(market, market.Grid(), new()), 3, 4);
        // Of others there are none, and a solve is its cells.
        var plain = market with { AnswerTime = new ExponentialAnswerTime(10) };
        Assert.Equal(40 * 300 * 4, SolveWork.Cells(plain, plain.Grid(), new(3)));
    }

    [Fact]
    public void Work_counts_what_sorting_caps_minor_units_and_every_rule_take_beside_the_cells()
    {
        var market = new Market(new UniformUrgency(0, 1), new ExponentialAnswerTime(10), 5, 1, 0) { TypeCount = 40, CapTokensMax = 300 };
        long Cells(Market m, SolveOptions options) => SolveWork.Cells(m, m.Grid(), options);
        var cells = Cells(market, new(3));
        Assert.Equal(cells + 40 * 300 * 8, Cells(market with { ValueAtCap = 0.1 }, new(3)));
        // A step for each type, pair of caps and plan but the first, by the search and by the certificate.
        var rounded = new SolveOptions(3, new(0.01, 1));
        Assert.Equal(cells + 2 * 40 * 2 * 300 * 300 / 2 / 100, Cells(market, rounded));
        var ruled = rounded with { Constraints = new() { CapTokensMin = 5, PriceMax = 0.5 } };
        Assert.True(Cells(market, ruled) > Cells(market, rounded));
        Assert.True(SolveWork.CellsCompared(market, market.Grid(), ruled) > Cells(market, ruled) + Cells(market, ruled with { Constraints = new() { PriceMax = 0.5 } }) + 2 * Cells(market, rounded));
        // However fine the unit, the searches end at their limits.
        Assert.Equal(Cells(market, ruled with { MinorUnits = new(1e-7, 1) }), Cells(market, ruled with { MinorUnits = new(1e-8, 1) }));
    }
}
