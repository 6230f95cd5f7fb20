using System.Text.Json;
using Billing.Periods;
using Billing.Rating;
using CsCheck;
using static Billing.Tests.Some;

namespace Billing.Tests.Rating;

public sealed class ProrationTests
{
    private static PeriodPlanChanged To(string plan, DateTimeOffset from, bool trial = false) => new(Menu, plan, trial, from, from);
    private static PeriodPlanChanged Resting(DateTimeOffset from, string? plan = null) => To(plan ?? Small, from) with { Paused = true };
    private static DateTimeOffset January_(int day) => Jan1.AddDays(day - 1);
    private static IEnumerable<(string, long)> Fees(params PeriodEvent[] events) =>
        InvoiceRating.Rate(FactsAfter(events), Book()).Lines.Where(l => l.Kind == LineKinds.PeriodFee).Select(l => (l.Description, l.AmountMicros.Value));

    [Fact]
    public void A_whole_period_costs_the_fee() => Assert.Equal([("Small, 2026-01-01 to 2026-02-01", 20_000_000L)], Fees(Opened(Small)));

    // 20.00 × 10/31 = 6.4516, 5.00 × 21/31 = 3.3871; together 9.8387, 9.84: the cent that is left goes to the larger remainder.
    [Fact]
    public void Each_part_of_a_period_is_charged_by_its_plan() => Assert.Equal(
        [
            ("Small, 2026-01-01 to 2026-01-11, 32.2581 % of 2026-01-01 to 2026-02-01", 6_450_000L),
            ("Metered, 2026-01-11 to 2026-02-01, 67.7419 % of 2026-01-01 to 2026-02-01", 3_390_000L),
        ],
        Fees(Opened(Small), To(Metered, January_(11))));

    [Fact]
    public void A_trial_costs_nothing_until_it_ends() => Assert.Equal(
        [("Small, 2026-01-01 to 2026-01-15, trial", 0L), ("Small, 2026-01-15 to 2026-02-01, 54.8387 % of 2026-01-01 to 2026-02-01", 10_970_000L)],
        Fees(Opened(Small) with { Trial = true }, To(Small, January_(15))));

    // 9 + 12 of 31 days: 20.00 × 9/31 = 5.8065 and 20.00 × 12/31 = 7.7419, together 13.5484.
    [Fact]
    public void A_pause_costs_nothing_while_it_lasts() => Assert.Equal(
        [
            ("Small, 2026-01-01 to 2026-01-10, 29.0323 % of 2026-01-01 to 2026-02-01", 5_810_000L), ("Small, 2026-01-10 to 2026-01-20, paused", 0L),
            ("Small, 2026-01-20 to 2026-02-01, 38.7097 % of 2026-01-01 to 2026-02-01", 7_740_000L),
        ],
        Fees(Opened(Small), Resting(January_(10)), To(Small, January_(20))));

    [Fact]
    public void A_period_that_rests_throughout_is_empty_until_something_is_recorded_for_it()
    {
        PeriodEvent[] rests = [Opened(Small) with { Paused = true }];
        Assert.True(FactsAfter(rests).IsEmpty);
        Assert.Equal([("Small, 2026-01-01 to 2026-02-01, paused", 0L)], Fees([.. rests, Usage(1, Tokens(Small, TokenKind.Output, 5))]));
        Assert.False(FactsAfter([.. rests, Usage(1, Tokens(Small, TokenKind.Output, 5))]).IsEmpty);
        // Resumed at its very start it never rested.
        Assert.Equal(FactsAfter(Opened(Small)).Plans, FactsAfter([.. rests, To(Small, Jan1)]).Plans);
    }

    [Fact]
    public void A_plan_that_rests_includes_the_part_of_its_tokens_for_the_time_it_was_served()
    {
        // 21 of 31 days of 1,000 are 677; what was in flight when it was paused is among them.
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Metered), Resting(January_(10), Metered), Usage(1, Tokens(Metered, TokenKind.Output, 1_000)), To(Metered, January_(20))), Book());
        Assert.Equal([(LineKinds.Included, 677L), (LineKinds.Overage, 323)], rated.Lines.Where(l => l.TokenKind is not null).Select(l => (l.Kind, l.Tokens)));
    }

    [Fact]
    public void A_cancelled_period_is_charged_up_to_the_moment() => Assert.Equal(
        [("Small, 2026-01-01 to 2026-01-16, 48.3871 % of 2026-01-01 to 2026-02-01", 9_680_000L)],
        Fees(Opened(Small), new PeriodPlanEnded(January_(16), January_(16))));

    [Fact]
    public void A_first_period_between_anchor_days_is_a_part_of_a_whole_one() => Assert.Equal(
        [("Small, 2026-01-01 to 2026-02-01, 68.8889 % of 2025-12-18 to 2026-02-01", 13_780_000L)],
        Fees(Opened(Small) with { FullStart = Jan1.AddDays(-14) }));

    [Fact]
    public void A_change_at_the_very_start_leaves_nothing_of_the_plan_before() => Assert.Equal(
        [("Metered, 2026-01-01 to 2026-02-01", 5_000_000L)], Fees(Opened(Small), To(Metered, Jan1)));

    [Fact]
    public void A_plan_includes_the_part_of_its_tokens_that_it_charges_of_its_fee()
    {
        // 1,000 × 21/31 = 677 tokens included, and 323 beyond; what was used on Small has no billed cap.
        var rated = InvoiceRating.Rate(
            FactsAfter(Opened(Small), Usage(1, Tokens(Small, TokenKind.Output, 5_000)), To(Metered, January_(11)), Usage(2, Tokens(Metered, TokenKind.Output, 1_000))), Book());
        Assert.Equal([(LineKinds.Included, 5_000L), (LineKinds.Included, 677), (LineKinds.Overage, 323)],
            rated.Lines.Where(l => l.TokenKind is not null).OrderBy(l => l.PlanId == Metered).Select(l => (l.Kind, l.Tokens)));
    }

    [Fact]
    public void Tokens_recorded_under_the_plan_of_the_period_before_are_rated_by_the_one_it_began_with()
    {
        var rated = InvoiceRating.Rate(FactsAfter(Opened(Small), To(Metered, Jan1), Usage(1, Tokens(Small, TokenKind.Output, 1_200))), Book());
        Assert.Equal([(Metered, LineKinds.Included, 1_000L), (Metered, LineKinds.Overage, 200)], rated.Lines.Where(l => l.TokenKind is not null).Select(l => (l.PlanId, l.Kind, l.Tokens)));
    }

    [Fact]
    public void B3_late_usage_is_rated_by_the_part_that_its_plan_had_of_its_period()
    {
        PeriodEvent[] january = [Opened(Small), To(Metered, January_(11)), Usage(1, Tokens(Metered, TokenKind.Output, 600)), Closed(), Usage(10, Tokens(Metered, TokenKind.Output, 200_077))];
        var closed = (PeriodState.Closed)PeriodAfter(january);
        var february = ClosePeriodDecision.Decide(new(closed, [closed], [], Grace, Mar1 + Grace), PeriodAfter(Opened(Metered, 1))).Events;
        var line = InvoiceRating.Rate(FactsAfter([Opened(Metered, 1), .. february]), Book()).Lines.Single(l => l.Kind == LineKinds.Adjustment);
        // 600 were within 677; 200,677 are 200,000 beyond: 2.50.
        Assert.Equal((200_077L, 2_500_000L, January), (line.Tokens, line.AmountMicros.Value, line.AboutPeriodId));
    }

    private static readonly Gen<DateTimeOffset> Within = Gen.Long[1, (Feb1 - Jan1).Ticks - 1].Select(Jan1.AddTicks);
    private static readonly Gen<PeriodPlanChanged[]> AnyChanges =
        Gen.Select(Within, Gen.OneOf(Gen.Const(Small), Gen.Const(Metered)), Gen.Bool, Gen.Bool, (at, plan, trial, paused) => To(plan, at, trial && !paused) with { Paused = paused }).Array[0, 6].Select(c => c.OrderBy(x => x.From).ToArray());

    [Fact]
    public void However_a_period_is_split_the_parts_add_up_to_the_whole_exactly() => Gen.Select(Within.Array[0, 8], Gen.Long[0, 9_000_000_000_000_000_000], Gen.Int[0, 40]).Sample((cuts, whole, days) =>
    {
        var times = FactsAfter(Opened(Small) with { FullStart = Jan1.AddDays(-days) }).Plans;
        DateTimeOffset[] ends = [Jan1.AddDays(-days), .. cuts.Order(), Feb1];
        return ends.Zip(ends.Skip(1), (from, to) => times.Between(from, to, whole)).Sum() == whole;
    });

    [Fact]
    public void B1_a_period_in_parts_is_charged_for_the_plans_that_held_and_its_lines_add_up() => Gen.Select(AnyChanges, Gen.Long[0, 3_000_000]).Sample((changes, tokens) =>
    {
        var facts = FactsAfter([Opened(Small), .. changes, Usage(1, Tokens(Metered, TokenKind.Output, tokens), Tokens(Small, TokenKind.Input, 7))]);
        var rated = InvoiceRating.Rate(facts, Book());
        var fees = facts.Plans.Served().Where(s => !s.Segment.Trial)
            .Sum(s => (decimal)Terms().Plan(s.Segment.PlanId)!.PeriodFeeMicros.Value * (s.To - s.Segment.From).Ticks / (Feb1 - Jan1).Ticks);
        return (rated.TotalMicros.Value, rated.Draws.Sum(d => d.Tokens)) == ExactInvoice.Of(facts, RatingTerms.Of(Book()))
            && Micros.Sum(rated.Lines.Select(l => l.AmountMicros)) == rated.TotalMicros
            && rated.Lines.Sum(l => l.Tokens) == tokens + 7
            // A line is at most a cent from its exact share, for one rounding is shared by all.
            && Math.Abs(rated.Lines.Where(l => l.Kind == LineKinds.PeriodFee).Sum(l => l.AmountMicros.Value) - fees) <= 10_000m * rated.Lines.Count;
    });

    [Fact]
    public void A_change_that_changes_nothing_splits_nothing() => Within.Array[0, 5].Sample(cuts =>
        FactsAfter([Opened(Metered), .. cuts.Order().Select(c => To(Metered, c))]).Plans == FactsAfter(Opened(Metered)).Plans);

    [Fact]
    public void The_order_of_usage_and_changes_does_not_matter() => Gen.Select(AnyChanges, Gen.Long[0, 3_000_000].Array[1, 6], Gen.Int).Sample((changes, tokens, seed) =>
    {
        PeriodEvent[] usage = [.. tokens.Select((t, i) => Usage(i + 1, Tokens(i % 2 == 0 ? Small : Metered, TokenKind.Output, t)))];
        PeriodEvent[] shuffled = [.. usage];
        new Random(seed).Shuffle(shuffled);
        return InvoiceRating.Rate(FactsAfter([Opened(Small), .. usage, .. changes]), Book()) == InvoiceRating.Rate(FactsAfter([Opened(Small), .. changes, .. shuffled]), Book());
    });

    [Fact]
    public void B4_the_live_view_of_a_period_in_parts_is_the_fold_from_zero() => Gen.Select(AnyChanges, Gen.Long[0, 3_000_000].Array[0, 4], Within).Sample((changes, tokens, end) =>
    {
        PeriodEvent[] events =
        [
            Opened(Small) with { Trial = true }, .. tokens.Select((t, i) => Usage(i + 1, Tokens(Metered, TokenKind.Output, t))), .. changes, new PeriodPlanEnded(end, end),
            Closed() with { CustomerDetailsSha256 = "ab" }, Usage(99, Tokens(Small, TokenKind.Input, 7)),
        ];
        var view = events.Aggregate((PeriodView?)null, (v, e) => PeriodView.Fold(v is null ? null : JsonSerializer.Deserialize<PeriodView>(JsonSerializer.Serialize(v)), January, e))!;
        var state = (PeriodState.Closed)PeriodAfter(events);
        Assert.Equal(JsonSerializer.Serialize(state.Facts), JsonSerializer.Serialize(view.Facts));
        Assert.Equal((state.Facts, state.Late, state.Version), (view.Facts, view.Late, view.Version));
    });
}
