using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>Every draw holds as much evidence as was seen: neither customers who choose nothing in the time looked at, nor plans sold twice, are lost.</summary>
public sealed class ResamplingTests
{
    private static readonly PlanOffer[] Running = [new(24, 0.42), new(6, 0.27), new(2, 0.13)];
    private static readonly SimulatedMarket Known = new(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8));

    [Fact]
    public void Customers_with_conversations_who_outnumber_those_who_chose_in_that_time_are_drawn_at_their_own_number()
    {
        // Some 1,700 subscribers have conversations; a hundred of all customers chose while they were watched.
        var seen = Chosen(Known.Observe(MarketEstimation.SeedOf(8, 1), 1800, Running), 100);
        Assert.InRange(seen.Conversations.Count, 1500, 1900);
        Assert.InRange(seen.Menus[0].Customers, 95, 105);
        AssertAsWide(seen, Unlabelled(seen));
    }

    [Fact]
    public void Plans_of_two_menus_with_one_id_are_drawn_together()
    {
        // As in a file without plan ids, where each is its cap: the price changed, and of the second menu little was sold yet.
        var (before, after) = (Known.Observe(MarketEstimation.SeedOf(8, 2), 2200, Running), Known.Observe(MarketEstimation.SeedOf(8, 3), 150, [new(24, 0.40), new(6, 0.26), new(2, 0.12)]));
        var seen = before with
        {
            Conversations = [.. before.Conversations, .. after.Conversations.Select(c => c with { Customer = $"later-{c.Customer}" })],
            Menus = [before.Menus[0], after.Menus[0]],
        };
        AssertAsWide(seen, Unlabelled(seen));
        var drawn = new Resampling(seen).Draw(MarketEstimation.SeedOf(8, 4));
        var buyers = seen.Menus.Sum(m => m.Plans.Sum(p => p.Customers));
        Assert.Equal(drawn.Customers.Sum(menu => menu[..^1].Sum()), drawn.Answered.Sum() + drawn.Cut.Sum(), 0.5);
        Assert.InRange(drawn.Answered.Sum() + drawn.Cut.Sum(), 0.9 * buyers, 1.1 * buyers);
    }

    /// <summary>With one conversation each, who had it says nothing more of lengths; without plan ids no conversation is drawn with a choice.</summary>
    private static MarketObservations Unlabelled(MarketObservations seen) => seen with { Conversations = [.. seen.Conversations.Select(c => c with { Customer = null, PlanId = null })] };

    private static MarketObservations Chosen(MarketObservations seen, int customers)
    {
        var share = (double)customers / seen.Menus[0].Customers;
        long Of(long count) => (long)Math.Round(share * count);
        return seen with { Menus = [new([.. seen.Menus[0].Plans.Select(p => p with { Customers = Of(p.Customers) })], Of(seen.Menus[0].CustomersWithoutPlan!.Value))] };
    }

    private static void AssertAsWide(MarketObservations labelled, MarketObservations unlabelled)
    {
        var (a, b) = (MarketEstimation.Of(labelled, new(Draws: 300)), MarketEstimation.Of(unlabelled, new(Draws: 300)));
        foreach (var figure in new[] { "unansweredAfter[2]", "unansweredAfter[6]", "tokensWithin[24]" })
            Assert.InRange((a[figure].High - a[figure].Low) / (b[figure].High - b[figure].Low), 0.75, 1.3);
        PlanOffer[] next = [new(24, 0.40), new(8, 0.32), new(3, 0.15)];
        double Width(EstimatedMarket estimate)
        {
            var gain = Interval.Of(0, [.. estimate.Draws.Select(d => (d.Of(next) - d.Of(Running)).Profit)], 0.95);
            return gain.High - gain.Low;
        }
        Assert.InRange(Width(a) / Width(b), 0.75, 1.3);
    }
}
