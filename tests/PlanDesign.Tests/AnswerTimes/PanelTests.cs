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
        // Of others there are none, and a solve is its cells.
        var plain = market with { AnswerTime = new ExponentialAnswerTime(10) };
        Assert.Equal(40 * 300 * 4, SolveWork.Cells(plain, plain.Grid(), new(3)));
    }
}
