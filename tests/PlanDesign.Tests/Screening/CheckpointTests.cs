using CsCheck;
using PlanDesign.AnswerTimes;
using PlanDesign.Screening.Constraints;
using PlanDesign.Screening.Rounding;
using PlanDesign.Urgency;

namespace PlanDesign.Screening;

/// <summary>A way that is found from checkpoints is the one that is found where everything is remembered.</summary>
public sealed class CheckpointTests
{
    public static TheoryData<bool, int?, bool> Rules => new() { { false, null, false }, { true, null, false }, { false, 40, false }, { false, null, true }, { true, null, true } };

    [Theory, MemberData(nameof(Rules))]
    public void The_way_back_from_any_number_of_checkpoints_is_that_of_full_tables(bool mustServe, int? freeTier, bool onlySomeCaps) =>
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Int[1, 40], Gen.Int[41, 220], Gen.Int[1, 8]).Sample((seed, types, caps, plans) =>
        {
            var random = new Random(seed);
            var market = RandomMarket(random, types, caps);
            var (grid, tables) = (market.Grid(), new MarketTables(market, market.Grid()));
            var rules = CapRules.Of(new()
            {
                NobodyExcluded = mustServe, FreeTierCapTokens = freeTier,
                AllowedCapTokens = onlySomeCaps ? [.. Enumerable.Range(1, caps).Where(c => c == caps || random.Next(3) == 0)] : null,
            }, grid).Rules!;
            // As many plans as types now and then, and more of them.
            if (seed % 10 == 0) plans = types + seed % 3;
            var surplus = new double[types][];
            for (var rows = new RestrictedRows(tables, rules); rows.MoveToMorePatient();) surplus[rows.Type] = [.. rows.Surplus];
            var full = new FullTables(surplus, plans, rules.MustServe);
            foreach (var checkpoints in new int?[] { 0, 1, 3, null, types })
            {
                var few = new FewPlans(types, grid.CapTokensMax, plans, rules.MustServe, checkpoints);
                for (var i = types - 1; i >= 0; i--) few.Take(i, surplus[i]);
                // Every smaller number of plans is in the layers of the same programme.
                for (var fewer = plans; fewer >= 1; fewer -= 3)
                    Assert.Equal(full.CapTokensByType(fewer), few.CapTokensByType(fewer, Again));
            }

            RestrictedRows Again(int from, int columns) => new(tables, rules, from, Math.Max(columns, rules.FreeTier + 1));
        }, iter: 80);

    [Theory, InlineData(false), InlineData(true)]
    public void Steps_in_whole_units_from_any_number_of_checkpoints_are_those_of_full_tables(bool mustServe) =>
        Gen.Select(Gen.Int[0, 1_000_000], Gen.Int[1, 30], Gen.Int[2, 60], Gen.Int[1, 6]).Sample((seed, types, caps, plans) =>
        {
            var random = new Random(seed);
            var market = RandomMarket(random, types, caps);
            var tables = new MarketTables(market, market.Grid());
            var units = new MinorUnits(market.ValuePerAnswer / random.Next(5, 500), 1);
            int[] tried = [0, .. Enumerable.Range(1, tables.CapTokensMax).Where(c => c == caps || random.Next(4) > 0)];
            var full = FullTables.Steps(tables, tried, units, plans, mustServe);
            foreach (var checkpoints in new int?[] { 0, 1, 3, null, types })
                Assert.Equal(full, CutoffPath.Search(tables, tried, units, plans, mustServe, _ => { }, default, checkpoints));
        }, iter: 120);

    /// <summary>Free to serve now and then, and with tokens at which nobody is answered: then whole menus tie.</summary>
    private static Market RandomMarket(Random random, int types, int caps)
    {
        double[] rates = [.. Enumerable.Range(0, types).Select(n => 0.02 + n * 0.05 * random.NextDouble()).Order().Select((rate, n) => rate + 1e-3 * n)];
        double[] weights = [.. rates.Select(_ => 0.1 + random.NextDouble())], answers = [.. Enumerable.Range(0, caps).Select(_ => random.Next(3) == 0 ? random.NextDouble() / caps : 0)];
        answers[^1] = 0.1;
        return new(new DiscreteUrgency(rates, [.. weights.Select(w => w / weights.Sum())]), new DiscreteAnswerTime(answers), 40, 1, random.Next(3) == 0 ? 0 : 0.004 * random.NextDouble())
        {
            CapTokensMax = caps,
        };
    }

    [Fact]
    public void Without_a_limit_on_plans_the_way_back_is_the_same_from_blocks_as_from_bits_for_every_row() =>
        Gen.Select(Gen.Int[0, 1000], Gen.Int[3, 11], Gen.Bool).Sample((seed, block, mustServe) =>
        {
            var market = RandomMarket(new Random(seed), 60, 200);
            var (grid, tables) = (market.Grid(), new MarketTables(market, market.Grid()));
            var rules = CapRules.Of(new() { NobodyExcluded = mustServe }, grid).Rules!;
            Assert.Equal(Caps(60), Caps(block));

            int[] Caps(int rows)
            {
                var (all, unlimited) = (new RestrictedRows(tables, rules), new UnlimitedPlans(60, grid.CapTokensMax, rows));
                while (all.MoveToMorePatient()) unlimited.Take(all.Type, all.Surplus);
                return unlimited.CapTokensByType((from, columns) => new(tables, rules, from, columns));
            }
        }, iter: 60);

    [Fact]
    public void With_at_most_K_plans_the_memory_of_the_way_back_does_not_grow_with_the_types()
    {
        Assert.Equal(FewPlans.PathBytes(200, 4_096, 5), FewPlans.PathBytes(10_000, 4_096, 5));
        Assert.Equal(CutoffPath.PathBytes(200, 1_000, 3), CutoffPath.PathBytes(10_000, 1_000, 3));
        Assert.InRange(FewPlans.PathBytes(10_000, 4_096, 5), 1 << 20, 6 << 20);
        Assert.InRange(UnlimitedPlans.PathBytes(10_000, 65_536), 1.8 * UnlimitedPlans.PathBytes(2_500, 65_536), 2.2 * UnlimitedPlans.PathBytes(2_500, 65_536));
    }

    [Theory, InlineData(100), InlineData(2_000), InlineData(10_000)]
    public void What_a_programme_keeps_is_what_it_says_it_keeps(int types)
    {
        const int caps = 255, plans = 5;
        var surplus = new double[caps + 1];
        var few = new FewPlans(types, caps, plans);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = types - 1; i >= 0; i--) few.Take(i, surplus);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 1, FewPlans.PathBytes(types, caps, plans));
    }
}
