using Contracts.PlanDesign.V1;
using Grpc.Core;
using PlanDesign.Screening.Constraints;
using static PlanDesign.Host.Tests.Requests;
using Solving = PlanDesign.Screening.SolveOptions;

namespace PlanDesign.Host.Tests;

/// <summary>One call cannot take the service: whatever is too much is refused, and says by which option.</summary>
public sealed class LimitTests(PlanDesignFixture small) : IClassFixture<PlanDesignFixture>
{
    /// <summary>Enough to learn a market of 400 types and caps up to 200 tokens.</summary>
    internal static EstimateMarketRequest Observed()
    {
        var request = new EstimateMarketRequest { TokensPerSecond = 5, ValuePerAnswer = 2, Draws = 40, Options = new() { PlansMax = 3 }, Observations = new() { Menus = { new ObservedMenu { CustomersWithoutPlan = 120 } } } };
        for (var n = 0; n < 400; n++)
        {
            var tokens = (int)Math.Ceiling(-50 * Math.Log(1 - (n + 0.5) / 400));
            request.Observations.Conversations.Add(new ObservedConversation { GeneratedTokens = Math.Min(200, tokens), Cut = tokens > 200 });
        }
        request.Observations.Menus[0].Plans.Add([
            new PlanBought { PlanId = "long", CapTokens = 150, PricePerConversation = 1.0, Customers = 420 },
            new PlanBought { PlanId = "short", CapTokens = 40, PricePerConversation = 0.55, Customers = 260 }]);
        return request;
    }

    private static Contracts.PlanDesign.V1.Market Uniform(int types, int cap) =>
        new() { Urgency = new() { Uniform = new() { To = 1 }, TypeCount = types }, AnswerTime = new() { Exponential = new() { MeanSeconds = 1 }, CapTokensMax = cap }, TokensPerSecond = 1, ValuePerAnswer = 1 };

    private static MixtureUrgency Mixture(int laws) => new()
    {
        Parts = { Enumerable.Range(1, laws).Select(n => new Contracts.PlanDesign.V1.Urgency { Gamma = new() { Shape = 2, Scale = n } }) }, Weights = { Enumerable.Repeat(1.0 / laws, laws) },
    };

    public static TheoryData<string, CompareMenusRequest, string> ToCompare => new()
    {
        { "types", new() { Market = Uniform(51, 20) }, "PlanDesign__TypesMax" },
        { "laws", new() { Market = new(Uniform(50, 20)) { Urgency = new() { TypeCount = 50, Mixture = Mixture(laws: 6) } } }, "laws × type_count is 300, this service takes at most 250 (PlanDesign__TypesMax)" },
        { "caps", new() { Market = Uniform(5, 201) }, "PlanDesign__CapTokensMax" },
        // 40 × 60 cells and one plan are few; to know the profit of up to eight plans takes nine times as many.
        { "work", new() { Market = Uniform(40, 60), Options = new() { PlansMax = 1 } }, "PlanDesign__CellsMax" },
        // 10 × 100 cells are few too; every step between 101 caps, twice over, and again without each of two rules and without both are not.
        { "steps in minor units and rules", new() { Market = Uniform(10, 100), Options = new() { PlansMax = 3, MinorUnits = new() { Currency = "USD", ConversationsPerPeriod = 1 }, Constraints = new() { CapTokensMin = 2, CapTokensMax = 99 } }, PlanCountsMax = 1 }, "PlanDesign__CellsMax" },
        { "observations", new() { Market = new(Uniform(5, 20)) { AnswerTime = new() { Empirical = new() { Tokens = { Enumerable.Repeat(5, 11) } } } } }, "PlanDesign__ObservationsMax" },
        { "plans on sale", new() { Market = Uniform(5, 20), Running = { Enumerable.Repeat(new Offer { CapTokens = 1, PricePerConversation = 1 }, 1_001) } }, "running has 1001 plans" },
    };

    [Theory, MemberData(nameof(ToCompare))]
    public async Task A_comparison_that_is_too_large_is_refused_by_the_limit(string what, CompareMenusRequest request, string words)
    {
        _ = what;
        MustName(await Assert.ThrowsAsync<RpcException>(async () => await small.Client.CompareMenusAsync(request)), "market_too_large", words);
    }

    public static TheoryData<string, Action<EstimateMarketRequest>, string> ToEstimate => new()
    {
        { "draws", r => r.Draws = 2_001, "PlanDesign__DrawsMax" },
        { "conversations", _ => { }, "PlanDesign__ObservationsMax" },
        { "menus", r => { while (r.Observations.Conversations.Count > 10) r.Observations.Conversations.RemoveAt(10); r.Observations.Menus.Add(Enumerable.Repeat(r.Observations.Menus[0], 100)); }, "observations.menus has 101 entries" },
    };

    [Theory, MemberData(nameof(ToEstimate))]
    public async Task An_estimate_of_too_much_is_refused_by_the_limit(string what, Action<EstimateMarketRequest> spoil, string words)
    {
        _ = what;
        var request = Observed();
        spoil(request);
        MustName(await Assert.ThrowsAsync<RpcException>(async () => await small.Client.EstimateMarketAsync(request)), "market_too_large", words);
    }

    [Theory]
    [InlineData("TypesMax", "300"), InlineData("CapTokensMax", "199"), InlineData("CellsMax", "300000"), InlineData("SolveSecondsMax", "0.05")]
    public async Task A_market_that_was_learned_is_solved_within_the_same_limits(string option, string limit)
    {
        // A second of work and more, so that it is not done before the time is over, however late a busy machine notices that.
        const int many = 10_000;
        await using var plans = await RunningPlanDesign.StartAsync(small.Postgres, small.RabbitMq, new() { ["PlanDesign:DrawsMax"] = $"{many}", [$"PlanDesign:{option}"] = limit });
        foreach (var robust in new[] { false, true })
        {
            var request = Observed();
            (request.Robust, request.Draws) = (robust, option == "SolveSecondsMax" ? many : 40);
            MustName(await Assert.ThrowsAsync<RpcException>(async () => await plans.Client.EstimateMarketAsync(request)), option == "SolveSecondsMax" ? "solve_too_long" : "market_too_large", $"PlanDesign__{option}");
        }
    }

    [Fact]
    public async Task What_the_draws_keep_counts_before_they_are_drawn()
    {
        await using var plans = await RunningPlanDesign.StartAsync(small.Postgres, small.RabbitMq, new() { ["PlanDesign:MemoryMegabytesMax"] = "4" });
        var request = Observed();
        // 2,000 draws of some 150 lengths of 20 bytes.
        request.Draws = 2_000;
        MustName(await Assert.ThrowsAsync<RpcException>(async () => await plans.Client.EstimateMarketAsync(request)), "market_too_large", "draws × distinct lengths");
    }

    [Fact]
    public async Task As_many_answers_as_the_limit_allows_are_taken_in_one_request()
    {
        await using var plans = await RunningPlanDesign.StartAsync(small.Postgres, small.RabbitMq, new() { ["PlanDesign:ObservationsMax"] = "2500000", ["PlanDesign:CapTokensMax"] = "300" });
        var request = new CompareMenusRequest
        {
            Options = new() { PlansMax = 1 },
            Market = new(Uniform(5, 20)) { AnswerTime = new() { Empirical = new() { Tokens = { Enumerable.Range(0, 2_500_000).Select(n => 150 + n % 150) } } } },
        };
        Assert.True(request.CalculateSize() > 4 << 20);
        Assert.True((await plans.Client.CompareMenusAsync(request)).CalculateSize() > 0);
    }

    public static TheoryData<string, Market, Solving> TakesMemory => new()
    {
        // 300 types × 501² pairs of caps × 8 bytes.
        {
            "rules on prices", new(new Urgency.UniformUrgency(0, 1), new AnswerTimes.ExponentialAnswerTime(5), 100, 1, 1e-6) { TypeCount = 300, CapTokensMax = 500 },
            new(3, new(0.01, 20)) { Constraints = new MenuConstraints { PriceMax = 0.5 } }
        },
        // A belief that drifts for all of 131,072 tokens, each a panel of the density.
        { "a density", new(new Urgency.DiscreteUrgency([0.1, 1], [0.5, 0.5]), new AnswerTimes.GreedyAnswerTime(new(0.5, 0.1, 0.95, 0.01)), 1e6, 1, 1e-6) { CapTokensMax = 131_072 }, new(3) },
    };

    [Theory, MemberData(nameof(TakesMemory))]
    public async Task What_a_solve_allocates_beside_its_cells_counts_too(string what, Market market, Solving solving)
    {
        _ = what;
        using var solver = BoundedSolverTests.Solver(new() { CapTokensMax = 131_072, MemoryMegabytesMax = 48 });
        var e = await Assert.ThrowsAsync<Hosting.RefusedException>(() => solver.SolveAsync(market, solving, null, CancellationToken.None));
        Assert.Equal("market_too_large", e.Refusal.Code);
        Assert.Contains("PlanDesign__MemoryMegabytesMax", e.Refusal.Detail, StringComparison.Ordinal);
        // Without the rule, or with a law in closed form, the same sizes fit.
        solver.MustFit(market with { AnswerTime = new AnswerTimes.ExponentialAnswerTime(5) }, solving with { Constraints = null });
    }

    private static void MustName(RpcException e, string reason, string words)
    {
        var (status, why, detail) = Why(e);
        Assert.Equal((StatusCode.ResourceExhausted, reason), (status, why));
        Assert.Contains(words, detail, StringComparison.Ordinal);
    }
}
