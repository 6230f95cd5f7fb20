using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Estimation;

/// <summary>Data that cannot tell are answered with what to do, never with a guess.</summary>
public sealed class CannotTellTests
{
    private static readonly PlanOffer[] Running = [new(24, 0.42), new(6, 0.27), new(2, 0.13)];

    private static MarketObservations Seen { get; } =
        new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8)).Observe(MarketEstimation.SeedOf(1, 2), 500, Running);

    [Fact]
    public void Where_every_conversation_was_cut_a_longer_cap_must_be_tried() =>
        Cannot(EstimationOutcome.AllCut, "longer cap", Seen with { Conversations = [.. Seen.Conversations.Select(c => c with { Cut = true })] });

    [Fact]
    public void Few_answers_or_few_customers_are_not_enough()
    {
        Cannot(EstimationOutcome.TooFewConversations, "observe longer", Seen with { Conversations = [.. Seen.Conversations.Take(20)] });
        Cannot(EstimationOutcome.TooFewConversations, "observe longer", Seen with { Conversations = [] });
        Cannot(EstimationOutcome.TooFewCustomers, "observe longer", With(c => c / 20, without: 2));
        Cannot(EstimationOutcome.TooFewCustomers, "observe longer", Seen with { Menus = [] });
    }

    [Fact]
    public void Where_one_plan_sold_urgency_is_bounded_on_one_side_at_most()
    {
        var plans = Seen.Menus[0].Plans;
        var oneSold = Seen with { Menus = [new([plans[0], plans[1] with { Customers = 0 }, plans[2] with { Customers = 0 }], 0)] };
        foreach (var fit in Enum.GetValues<UrgencyFit>()) Cannot(EstimationOutcome.OnePlanSold, "second plan", oneSold, fit);
        // One plan, and nobody counted those who did not buy it.
        Cannot(EstimationOutcome.OnePlanSold, "count those who buy nothing", Seen with { Menus = [new([plans[1]])] });
    }

    [Fact]
    public void A_family_of_two_parameters_needs_two_shares_and_Turnbull_makes_do_with_one()
    {
        var onePlan = Seen with { Menus = [new([Seen.Menus[0].Plans[1]], 200)] };
        Cannot(EstimationOutcome.TooFewShares, "Turnbull", onePlan);
        var estimate = MarketEstimation.Of(onePlan, new(UrgencyFit.Turnbull, Draws: 50));
        Assert.True(estimate.IsEstimated);
        var urgency = Assert.IsType<EmpiricalUrgency>(estimate.Market!.Urgency);
        Assert.Equal(onePlan.Menus[0].Plans[0].Customers / (double)onePlan.Menus[0].Customers, urgency.Weights[0], 1e-12);
        Assert.Equal(double.PositiveInfinity, urgency.ToPerSecond[1]);
    }

    /// <summary>
    /// Of a law that hardly anybody's choices bound from above the likelihood only rises towards the end of the family: draws end there, and the interval would be how far the search went.
    /// </summary>
    [Theory, InlineData(UrgencyFit.LogNormal), InlineData(UrgencyFit.Gamma)]
    public void Where_nobody_counted_those_who_buy_nothing_some_hundred_customers_do_not_tell_urgency(UrgencyFit fit)
    {
        var market = new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8));
        var seen = market.Observe(MarketEstimation.SeedOf(2030, 1), 300, Running, countAll: false);
        Cannot(EstimationOutcome.TooFewShares, "count those who buy nothing", seen, fit);
        Assert.True(MarketEstimation.Of(market.Observe(MarketEstimation.SeedOf(2030, 1), 300, Running), new(fit, Draws: 50)).IsEstimated);
    }

    [Fact]
    public void Shares_that_hardly_anybody_makes_up_are_lost_in_the_draws_and_the_estimate_with_them()
    {
        var plans = Seen.Menus[0].Plans;
        Cannot(EstimationOutcome.TooFewShares, "draws", Seen with { Menus = [new([plans[0] with { Customers = 400 }, plans[1] with { Customers = 300 }, plans[2] with { Customers = 1 }])] });
    }

    /// <summary>
    /// Half of these customers buy the shortest plan, which is the best from 0.40 to 0.82 1/second. 457 conversations tell the chance of an answer by its second token to a tenth, and where that
    /// comes out low the plan is best for nobody: more of the same customers' conversations mend it, more customers with none do not.
    /// </summary>
    [Fact]
    public void Where_lengths_are_too_unsure_to_tell_whom_a_plan_is_best_for_more_conversations_are_asked_for_and_help()
    {
        var market = new SimulatedMarket(new UniformUrgency(0.1, 0.9), SimulatedMarket.Fading(24, 8));
        var seen = market.Observe(MarketEstimation.SeedOf(2028, 165), 500, Running, labelled: false);
        Assert.Equal((457, 276), (seen.Conversations.Count, seen.Menus[0].Plans[2].Customers));
        Cannot(EstimationOutcome.TooFewConversations, "bought what is best for nobody: observe more conversations", seen, UrgencyFit.Uniform);
        var moreCustomers = seen with { Menus = [new([.. seen.Menus[0].Plans.Select(p => p with { Customers = 9 * p.Customers })], 9 * seen.Menus[0].CustomersWithoutPlan)] };
        Cannot(EstimationOutcome.TooFewConversations, "observe more conversations", moreCustomers, UrgencyFit.Uniform);
        var moreConversations = market.Observe(MarketEstimation.SeedOf(2028, 165), 500, Running, conversationsEach: 2, labelled: false);
        Assert.Equal(0, MarketEstimation.Of(moreConversations, new(UrgencyFit.Uniform, Draws: 50)).DrawsThatCouldNotTell);
    }

    [Fact]
    public void Choices_that_nobody_should_have_made_say_that_the_value_is_wrong()
    {
        // At a tenth of the value no plan is worth its price to anybody.
        Cannot(EstimationOutcome.ChoicesContradictPrices, "valuePerAnswer", Seen with { ValuePerAnswer = 0.1 });
        var dominated = Seen.Menus[0] with { Plans = [.. Seen.Menus[0].Plans, new("silly", 5, 0.4, 7)] };
        var estimate = MarketEstimation.Of(Seen with { Menus = [dominated] }, new(Draws: 50));
        Assert.Contains(estimate.Notices, n => n.StartsWith("7 customers bought silly", StringComparison.Ordinal));
        Assert.True(estimate.Plans.Single(p => p.PlanId == "silly").IsEmpty);
    }

    [Fact]
    public void A_market_that_a_family_does_not_fit_says_so()
    {
        var market = new SimulatedMarket(new LogNormalUrgency(-1.5, 0.8), SimulatedMarket.Fading(24, 8));
        var seen = market.Observe(MarketEstimation.SeedOf(3, 3), 3000, [new(24, 0.5), new(12, 0.42), new(6, 0.27), new(3, 0.13)]);
        Assert.Contains(MarketEstimation.Of(seen, new(UrgencyFit.Uniform, Draws: 50)).Notices, n => n.StartsWith("the family does not fit", StringComparison.Ordinal));
    }

    [Fact]
    public void Harder_tasks_that_buy_longer_caps_are_noticed_before_lengths_are_pooled()
    {
        var (easy, hard) = (new SimulatedMarket(new UniformUrgency(0.3, 0.5), SimulatedMarket.Fading(24, 4)), new SimulatedMarket(new UniformUrgency(0.01, 0.05), SimulatedMarket.Fading(24, 20)));
        PlanOffer[] menu = [new(24, 0.5), new(6, 0.2)];
        var (a, b) = (easy.Observe(MarketEstimation.SeedOf(3, 4), 400, menu), hard.Observe(MarketEstimation.SeedOf(3, 5), 400, menu));
        PlanBought[] plans = [.. a.Menus[0].Plans.Zip(b.Menus[0].Plans, (x, y) => x with { Customers = x.Customers + y.Customers })];
        var both = a with { Conversations = [.. a.Conversations, .. b.Conversations], Menus = [new(plans, a.Menus[0].CustomersWithoutPlan + b.Menus[0].CustomersWithoutPlan)] };
        static bool Noticed(MarketObservations seen) =>
            MarketEstimation.Of(seen, new(UrgencyFit.Turnbull, Draws: 20)).Notices.Any(n => n.Contains("differ before either is cut", StringComparison.Ordinal));
        Assert.True(Noticed(both));
        Assert.False(Noticed(Seen));
    }

    [Theory]
    [InlineData("conversations[3].generatedTokens"), InlineData("menus[0].plans"), InlineData("menus[0].plans[1].customers"), InlineData("menus[0].plans[0].capTokens")]
    [InlineData("menus[0].plans[2].pricePerConversation"), InlineData("menus[0].plans[1]"), InlineData("menus[0].customersWithoutPlan"), InlineData("valuePerAnswer")]
    [InlineData("tokensPerSecond"), InlineData("servingCostPerToken"), InlineData("draws"), InlineData("confidence"), InlineData("typeCount"), InlineData("menus")]
    public void Nonsense_is_refused_by_the_name_of_its_field(string field)
    {
        var plans = Seen.Menus[0].Plans.ToArray();
        MarketObservations Plans(int k, PlanBought plan) => Seen with { Menus = [new([.. plans.Select((p, n) => n == k ? plan : p)])] };
        var (seen, options) = field switch
        {
            "conversations[3].generatedTokens" => (Seen with { Conversations = [.. Seen.Conversations.Select((c, n) => n == 3 ? new(0, false) : c)] }, new EstimationOptions()),
            "menus[0].plans" => (Seen with { Menus = [new([])] }, new()),
            "menus[0].plans[1].customers" => (Plans(1, plans[1] with { Customers = -1 }), new()),
            "menus[0].plans[0].capTokens" => (Plans(0, plans[0] with { CapTokens = 0 }), new()),
            "menus[0].plans[2].pricePerConversation" => (Plans(2, plans[2] with { PricePerConversation = double.NaN }), new()),
            "menus[0].plans[1]" => (Plans(1, plans[1] with { CapTokens = plans[0].CapTokens }), new()),
            "menus[0].customersWithoutPlan" => (Seen with { Menus = [Seen.Menus[0] with { CustomersWithoutPlan = -1 }] }, new()),
            "valuePerAnswer" => (Seen with { ValuePerAnswer = double.PositiveInfinity }, new()),
            "tokensPerSecond" => (Seen with { TokensPerSecond = 0 }, new()),
            "servingCostPerToken" => (Seen with { ServingCostPerToken = -1 }, new()),
            "draws" => (Seen, new(Draws: 1)),
            "confidence" => (Seen, new(Confidence: double.NaN)),
            "typeCount" => (Seen, new() { TypeCount = 1 }),
            _ => (Seen with { Menus = [.. Enumerable.Repeat(Seen.Menus[0], 101)] }, new()),
        };
        var estimate = MarketEstimation.Of(seen, options);
        Assert.Equal(EstimationOutcome.InvalidInput, estimate.Outcome);
        Assert.Equal(field, estimate.Fault!.Field);
        Assert.Null(estimate.Market);
    }

    private static MarketObservations With(Func<long, long> customers, long without) =>
        Seen with { Menus = [new([.. Seen.Menus[0].Plans.Select(p => p with { Customers = customers(p.Customers) })], without)] };

    private static void Cannot(EstimationOutcome outcome, string advice, MarketObservations seen, UrgencyFit fit = UrgencyFit.LogNormal)
    {
        var estimate = MarketEstimation.Of(seen, new(fit, Draws: 50));
        Assert.Equal(outcome, estimate.Outcome);
        Assert.Null(estimate.Market);
        Assert.Contains(advice, estimate.Sentence, StringComparison.Ordinal);
    }
}
