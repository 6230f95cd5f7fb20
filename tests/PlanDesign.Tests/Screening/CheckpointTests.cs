using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>A way that is found from checkpoints is the one that a programme finds which remembers everything.</summary>
public sealed class CheckpointTests
{
    public static TheoryData<int?, bool, int?> Programmes => new() { { null, false, null }, { 1, false, null }, { 4, false, null }, { 3, true, null }, { null, true, null }, { 3, false, 40 } };

    [Theory, MemberData(nameof(Programmes))]
    public void The_way_back_is_the_same_from_checkpoints_as_from_bits_for_every_row(int? plans, bool mustServe, int? freeTier) =>
        Gen.Select(Gen.Int[0, 1000], Gen.Int[3, 11]).Sample((seed, block) =>
        {
            var random = new Random(seed);
            double[] rates = [.. Enumerable.Range(0, 60).Select(_ => 0.02 + 2 * random.NextDouble()).Order()], answers = [.. Enumerable.Range(0, 200).Select(_ => random.NextDouble() / 120)];
            var market = new Market(new DiscreteUrgency(rates, [.. rates.Select(_ => 1.0 / 60)]), new DiscreteAnswerTime(answers), 40, 1, 0.0005);
            var (grid, tables) = (market.Grid(), new MarketTables(market, market.Grid()));
            var rules = CapRules.Of(new() { NobodyExcluded = mustServe, FreeTierCapTokens = freeTier }, grid).Rules!;
            Assert.Equal(Caps(null), Caps(block));

            int[] Caps(int? rows)
            {
                var all = new RestrictedRows(tables, rules);
                RestrictedRows Again(int from, int columns) => new(tables, rules, from, Math.Max(columns, rules.FreeTier + 1));
                if (plans is not { } most)
                {
                    var unlimited = new UnlimitedPlans(60, grid.CapTokensMax, blockRows: rows ?? 60);
                    while (all.MoveToMorePatient()) unlimited.Take(all.Type, all.Surplus);
                    return unlimited.CapTokensByType(Again);
                }
                var few = new FewPlans(60, grid.CapTokensMax, most, rules.MustServe, blockRows: rows ?? 60);
                while (all.MoveToMorePatient()) few.Take(all.Type, all.Surplus);
                return few.CapTokensByType(Again);
            }
        }, iter: 20);

    [Fact]
    public void Memory_of_the_way_back_grows_with_the_root_of_the_types()
    {
        var (small, large) = (FewPlans.PathBytes(2_500, 4_096, 5), FewPlans.PathBytes(10_000, 4_096, 5));
        Assert.InRange((double)large / small, 1.8, 2.2);
        Assert.InRange(large, 5 << 20, 16 << 20);
    }
}
