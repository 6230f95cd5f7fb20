using System.Diagnostics.Metrics;
using Contracts.PlanDesign.V1;
using Grpc.Core;
using Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using static PlanDesign.Host.Tests.Requests;

namespace PlanDesign.Host.Tests;

public sealed class BoundedSolverTests
{
    /// <summary>Minutes of work.</summary>
    private static readonly Market Large = new(new Urgency.UniformUrgency(0, 1), new AnswerTimes.ExponentialAnswerTime(50), 100, 1, 1e-6) { TypeCount = 2_000, CapTokensMax = 20_000 };

    internal static BoundedSolver Solver(PlanDesignOptions options) => new(Options.Create(options), new(new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>()));

    private static PlanDesignOptions Roomy(double seconds = 120, int waiting = 16, int atOnce = 2) =>
        new() { TypesMax = 10_000, CellsMax = MarketLimits.CellsMax, MemoryMegabytesMax = 4_096, SolveSecondsMax = seconds, SolvesWaitingMax = waiting, SolvesAtOnceMax = atOnce };

    [Fact]
    public async Task What_takes_too_long_is_refused_by_the_limit_and_stops()
    {
        using var solver = Solver(Roomy(seconds: 0.05));
        var e = await Assert.ThrowsAsync<RefusedException>(() => solver.SolveAsync(Large, new(8), null, CancellationToken.None));
        Assert.Equal("solve_too_long", e.Refusal.Code);
        Assert.Contains("PlanDesign__SolveSecondsMax", e.Refusal.Detail, StringComparison.Ordinal);
        Assert.Equal(0, solver.Running);
    }

    [Fact]
    public async Task A_caller_who_goes_away_stops_the_computation()
    {
        using var solver = Solver(Roomy());
        using var gone = new CancellationTokenSource();
        var solving = solver.SolveAsync(Large, new(8), null, gone.Token);
        await Eventually.True(() => solver.Running == 1, "it computes");
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => solving);
        Assert.Equal(0, solver.Running);
    }

    [Fact]
    public async Task More_than_may_wait_are_refused_at_once()
    {
        using var solver = Solver(Roomy(waiting: 0, atOnce: 1));
        using var enough = new CancellationTokenSource();
        var first = solver.SolveAsync(Large, new(8), null, enough.Token);
        await Eventually.True(() => solver.Running == 1, "the first computes");
        var e = await Assert.ThrowsAsync<RefusedException>(() => solver.SolveAsync(Large, new(8), null, CancellationToken.None));
        Assert.Equal("solves_too_many", e.Refusal.Code);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
    }

    [Fact]
    public async Task The_panels_of_an_answer_time_are_work_too()
    {
        // Twelve thousand cells, and most of a million panels: belief starts so near to a threshold that most conversations end at once.
        var near = new Market(new Urgency.UniformUrgency(0, 1), new AnswerTimes.DiffusionAnswerTime(new(0.102, 0.1, 0.9, 0.01)), 5, 1, 0) { TypeCount = 40, CapTokensMax = 300 };
        using var solver = Solver(new() { CellsMax = 100_000_000 });
        var e = await Assert.ThrowsAsync<RefusedException>(() => solver.SolveAsync(near, new(), null, CancellationToken.None));
        Assert.Equal("market_too_large", e.Refusal.Code);
        Assert.Contains("PlanDesign__CellsMax", e.Refusal.Detail, StringComparison.Ordinal);
        await Assert.ThrowsAsync<RefusedException>(() => solver.AnalyseAsync(near, new(), [], 1, CancellationToken.None));
    }

    [Fact]
    public async Task A_process_that_is_too_large_has_no_figures_and_the_rest_of_the_comparison_has()
    {
        // A fixed time has no panels, and the diffusion that it is compared with has most of a million.
        var accumulation = new Market(new Urgency.UniformUrgency(0, 1), new AnswerTimes.AccumulationAnswerTime(new(0.102, 0.1, 0.9, 0.01)), 5, 1, 0) { TypeCount = 40, CapTokensMax = 300 };
        using var solver = Solver(new() { CellsMax = 100_000_000 });
        var analysis = await solver.AnalyseAsync(accumulation, new(), [], 1, CancellationToken.None);
        Assert.NotNull(analysis.Comparison);
        Assert.Equal(["greedy", "diffusion", "accumulation"], analysis.Processes.Select(p => p.Kind));
        Assert.NotNull(analysis.Processes[2].Outcome);
        Assert.Null(analysis.Processes[1].Outcome);
        var notice = Assert.Single(analysis.Notices, n => n.StartsWith("the diffusion process has no figures, for it is not solved: ", StringComparison.Ordinal));
        Assert.Contains("PlanDesign__CellsMax", notice, StringComparison.Ordinal);
    }

    /// <summary>Types × cap (0 for the defaults of both), belief thresholds, tokens a second; solved alone and compared up to eight plans.</summary>
    public static TheoryData<string, Market, Screening.SolveOptions> OfTheTheory()
    {
        var data = new TheoryData<string, Market, Screening.SolveOptions>();
        (AnswerTimes.BeliefThresholds Row, string Name)[] rows =
            [(new(0.5, 0.1, 0.9, 0.025038), "row 1"), (new(0.2, 0.1, 0.9, 0.011926), "row 2"), (new(0.3, 0.05, 0.95, 0.028051), "row 3"), (new(0.15, 0.1, 0.9, 0.006641), "row 4")];
        foreach (var (row, name) in rows)
            foreach (var speed in new[] { 20.0, 50.0 })
            {
                var uniform = new Urgency.UniformUrgency(0, 1);
                data.Add($"diffusion, {name}, {speed} tokens a second", new(uniform, new AnswerTimes.DiffusionAnswerTime(row), speed, 1, 0), new());
                data.Add($"greedy, {name}, {speed} tokens a second", new(uniform, new AnswerTimes.GreedyAnswerTime(row), speed, 1, 0) { TypeCount = 1_000, CapTokensMax = 16_000 }, new());
            }
        var greedy = new Market(new Urgency.UniformUrgency(0, 1), new AnswerTimes.GreedyAnswerTime(rows[1].Row), 50, 1, 0) { TypeCount = 1_000, CapTokensMax = 16_000 };
        foreach (var plans in new[] { 3, 5 }) data.Add($"greedy in cents, {plans} plans, a rule", greedy, new(plans, new(0.01, 1)) { Constraints = new() { CapTokensMin = 10 } });
        var exponential = new Market(new Urgency.UniformUrgency(0, 1), new AnswerTimes.ExponentialAnswerTime(5), 20, 1, 0);
        data.Add("exponential in cents, five rules", exponential, new(3, new(0.01, 1)) { Constraints = new() { PriceMax = 0.5, PriceMin = 0.02, PriceRatioMax = 10, CapTokensMin = 5, FreeTierCapTokens = 5 } });
        return data;
    }

    [Theory, MemberData(nameof(OfTheTheory))]
    public void Markets_of_the_theory_are_within_the_limits_that_hold_by_default(string what, Market market, Screening.SolveOptions options)
    {
        using var solver = Solver(new());
        solver.MustFit(market, options);
        var cells = SolveWork.CellsCompared(market, market.Grid(), options with { PlansMax = Math.Max(options.PlansMax ?? 0, Reports.MenuAnalysis.PlanCountsDefault) });
        Assert.True(cells <= new PlanDesignOptions().CellsMax, $"{what}: {cells}");
    }

    [Fact]
    public void The_option_that_a_refusal_names_can_be_raised()
    {
        var raised = new PlanDesignOptions { CellsMax = 10 * new PlanDesignOptions().CellsMax };
        System.ComponentModel.DataAnnotations.Validator.ValidateProperty(raised.CellsMax, new(raised) { MemberName = nameof(raised.CellsMax) });
    }

    [Fact]
    public async Task What_takes_too_much_memory_is_refused_by_the_limit()
    {
        using var solver = Solver(new() { TypesMax = 10_000, CellsMax = MarketLimits.CellsMax, MemoryMegabytesMax = 8 });
        var e = await Assert.ThrowsAsync<RefusedException>(() => solver.SolveAsync(Large, new(8), null, CancellationToken.None));
        Assert.Equal("market_too_large", e.Refusal.Code);
        Assert.Contains("PlanDesign__MemoryMegabytesMax", e.Refusal.Detail, StringComparison.Ordinal);
    }
}

/// <summary>The service with the limits it has by default, and neither usage nor billing.</summary>
public sealed class EstimateServiceTests(RoomyPlanDesignFixture plans) : IClassFixture<RoomyPlanDesignFixture>
{
    private static EstimateMarketRequest Observed() => new(LimitTests.Observed()) { Options = null };

    [Fact]
    public async Task A_market_is_learned_from_what_the_request_observed()
    {
        var found = await plans.Service.Client.EstimateMarketAsync(Observed());
        Assert.Equal(("estimated", 400, 800), (found.Outcome, found.Conversations, found.Customers));
        Assert.Contains(found.Figures, f => f.Name == "mu" && f.Interval.Low <= f.Interval.Estimate_ && f.Interval.Estimate_ <= f.Interval.High);
        Assert.NotEmpty(found.Next.Menu.Tiers);
        Assert.InRange(found.Next.ProfitDifference.Estimate_, -1e-9, double.PositiveInfinity);
        // What was learned is a market that the service solves.
        using var call = plans.Service.Client.SolveMenu(new SolveMenuRequest { Market = found.Market });
        Assert.True(await call.ResponseStream.MoveNext(default));
        Assert.Equal(found.Next.Menu.Profit, call.ResponseStream.Current.Solution.Profit, 1e-9);
    }

    [Fact]
    public async Task The_robust_menu_comes_where_it_is_asked_for_with_what_bounds_it()
    {
        var request = Observed();
        (request.Robust, request.Options) = (true, new() { PlansMax = 3 });
        var robust = (await plans.Service.Client.EstimateMarketAsync(request)).Robust;
        Assert.NotEmpty(robust.Menu.Tiers);
        Assert.InRange(robust.WorstProfit, robust.WorstProfitOfNext - 1e-12, robust.WorstProfitBound + 1e-12);
        request.Robust = false;
        Assert.Null((await plans.Service.Client.EstimateMarketAsync(request)).Robust);
    }

    [Fact]
    public async Task What_the_data_cannot_tell_is_said_plainly()
    {
        var request = Observed();
        foreach (var conversation in request.Observations.Conversations) conversation.Cut = true;
        var found = await plans.Service.Client.EstimateMarketAsync(request);
        Assert.Equal("all_cut", found.Outcome);
        Assert.Null(found.Market);
        Assert.Null(found.Next);
        Assert.Contains("longer cap", found.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_next_menu_is_like_the_running_one_but_for_what_is_asked_otherwise()
    {
        var draft = Draft();
        (draft.Market, draft.Constraints) = (new() { Urgency = new() { Uniform = new() { To = 1 }, TypeCount = 50 }, AnswerTime = new() { Exponential = new() { MeanSeconds = 10 }, CapTokensMax = 200 }, TokensPerSecond = 5, ValuePerAnswer = 2 },
            new() { AllowedCapTokens = { 40, 150 } });
        var menu = await plans.Service.Client.DraftMenuAsync(draft);
        var request = new EstimateMarketRequest(Observed()) { MenuId = menu.MenuId, Options = new() { PlansMax = 1 } };
        var next = (await plans.Service.Client.EstimateMarketAsync(request)).Next.Menu;
        var tier = Assert.Single(next.Tiers);
        Assert.Contains(tier.CapTokens, new[] { 40, 150 });
        // A period's fee, of 20 conversations, in whole cents.
        Assert.Equal(Math.Round(tier.Price * 2_000), tier.Price * 2_000, 1e-6);

        request.Options.Constraints = new();
        next = (await plans.Service.Client.EstimateMarketAsync(request)).Next.Menu;
        Assert.DoesNotContain(Assert.Single(next.Tiers).CapTokens, new[] { 40, 150 });
    }

    [Fact]
    public async Task Without_usage_an_estimate_says_whom_to_start()
    {
        var menu = await plans.Service.Client.DraftMenuAsync(Draft());
        var e = await Assert.ThrowsAsync<RpcException>(async () => await plans.Service.Client.EstimateMarketAsync(new EstimateMarketRequest { MenuId = menu.MenuId }));
        var (status, reason, detail) = Why(e);
        Assert.Equal((StatusCode.Unavailable, "usage_unreachable"), (status, reason));
        Assert.Contains("PlanDesign__UsageAddress", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Conversations_are_read_only_by_those_whose_turn_it_is()
    {
        var menu = await plans.Service.Client.DraftMenuAsync(Draft());
        var (solver, limits) = (plans.Service.App.Services.GetRequiredService<BoundedSolver>(), new PlanDesignOptions());
        var finish = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var others = Enumerable.Range(0, limits.SolvesAtOnceMax + limits.SolvesWaitingMax).Select(_ => solver.RunAsync(_ => finish.Task, CancellationToken.None)).ToArray();
        await Eventually.True(() => solver.Running == limits.SolvesAtOnceMax, "as many compute as may");
        // Usage is not there, which nobody asks before her turn.
        var e = await Assert.ThrowsAsync<RpcException>(async () => await plans.Service.Client.EstimateMarketAsync(new EstimateMarketRequest { MenuId = menu.MenuId }));
        Assert.Equal((StatusCode.ResourceExhausted, "solves_too_many"), (Why(e).Status, Why(e).Reason));
        finish.SetResult(0);
        await Task.WhenAll(others);
    }

    [Fact]
    public async Task Observations_that_cannot_be_are_refused_by_the_field()
    {
        var request = Observed();
        request.Observations.Menus[0].Plans[1].Customers = -1;
        var e = await Assert.ThrowsAsync<RpcException>(async () => await plans.Service.Client.EstimateMarketAsync(request));
        var (status, reason, detail) = Why(e);
        Assert.Equal((StatusCode.InvalidArgument, "observations_invalid"), (status, reason));
        Assert.Contains("menus[0].plans[1].customers", detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_stops_computing()
    {
        var solver = plans.Service.App.Services.GetRequiredService<BoundedSolver>();
        using var gone = new CancellationTokenSource();
        using var call = plans.Service.Client.SolveMenu(new SolveMenuRequest
        {
            ReportProgress = true,
            Options = new() { PlansMax = 6 },
            Market = new() { Urgency = new() { Uniform = new() { To = 1 }, TypeCount = 1_000 }, AnswerTime = new() { Exponential = new() { MeanSeconds = 50 }, CapTokensMax = 14_000 }, TokensPerSecond = 100, ValuePerAnswer = 1 },
        }, cancellationToken: gone.Token);
        Assert.True(await call.ResponseStream.MoveNext(default));
        await Eventually.True(() => solver.Running == 1, "it computes");
        await gone.CancelAsync();
        await Eventually.True(() => solver.Running == 0, "it stopped computing");
    }
}

public sealed class RoomyPlanDesignFixture : IAsyncLifetime
{
    public RunningPlanDesign Service { get; private set; } = null!;

    public async Task InitializeAsync() => Service = await RunningPlanDesign.StartAsync(
        (await Servers.CreateDatabaseAsync(RunningPlanDesign.Tables)).ConnectionString("plan_design"), await Servers.CreateVirtualHostAsync(),
        new() { ["PlanDesign:UsageAddress"] = "http://127.0.0.1:1", ["PlanDesign:BillingAddress"] = "http://127.0.0.1:1" });

    public async Task DisposeAsync() => await Service.DisposeAsync();
}
