using Contracts.PlanDesign.V1;
using Grpc.Core;
using Hosting;
using Marten;
using Microsoft.Extensions.DependencyInjection;
using PlanDesign.Menus;
using static PlanDesign.Host.Tests.Requests;

namespace PlanDesign.Host.Tests;

public sealed class MenuServiceTests(PlanDesignFixture plans) : IClassFixture<PlanDesignFixture>
{
    private static Metadata Key(string key) => new() { { IdempotentCalls.Metadata, key } };

    [Fact]
    public async Task A_market_is_solved_without_being_stored()
    {
        var answers = await Answers(new SolveMenuRequest { Market = Worked });
        var solution = Assert.Single(answers).Solution;
        Assert.Equal("optimal", solution.ExitReason);
        Assert.Equal(10.96, solution.Profit, 1e-12);
        Assert.Equal(12.86, solution.Revenue, 1e-12);
        Assert.Equal([2, 1], solution.Tiers.Select(t => t.CapTokens));
        Assert.Equal(26.2, solution.Tiers[0].Price, 1e-12);
        Assert.InRange(solution.Certificate.Gap, -1e-12, 1e-12);
        Assert.Equal(["one_plan", "flat_fee", "pay_per_token", "two_part_tariff", "token_market"], solution.Alternatives.Select(a => a.Kind));
        Assert.Equal(9.6, solution.Alternatives[0].Profit, 1e-12);
    }

    [Fact]
    public async Task Progress_comes_before_the_solution_where_it_is_asked_for()
    {
        var answers = await Answers(new SolveMenuRequest { Market = Worked, ReportProgress = true });
        Assert.InRange(answers.Count, 2, int.MaxValue);
        Assert.All(answers.SkipLast(1), a => Assert.Null(a.Solution));
        Assert.Equal((1.0, 10.96), (answers[^1].Progress, Math.Round(answers[^1].Solution.Profit, 9)));
    }

    [Fact]
    public async Task Rules_are_kept_and_priced()
    {
        var answer = Assert.Single(await Answers(new SolveMenuRequest { Market = Worked, Options = new() { Constraints = new() { CapTokensMax = 1 } } })).Solution;
        // The busy and the patient at 10, or the patient alone at 18: 0.8 · 8 = 6.4 against 0.3 · 16 = 4.8.
        Assert.Equal((6.4, 1), (Math.Round(answer.Profit, 9), answer.Tiers.Single().CapTokens));
        Assert.Equal([("cap_tokens_max", 4.56), ("all", 4.56)], answer.ConstraintCosts.Select(c => (c.Constraint, Math.Round(c.ProfitCost, 9))));
    }

    [Fact]
    public async Task Types_with_more_conversations_weigh_more()
    {
        var byType = Assert.Single(await Answers(new SolveMenuRequest { Market = Worked, Options = new() { ConversationsByType = { 30, 20, 5 } } })).Solution;
        // 9, 10 and 1 of 20 conversations: 0.45 · 26.2 + 0.5 · 10 − (0.45 · 3 + 0.5 · 2).
        Assert.Equal(14.44, byType.Profit, 1e-9);
        Assert.Equal([0.45, 0.5], byType.Tiers.Select(t => Math.Round(t.Share, 12)));
    }

    [Fact]
    public async Task What_a_rule_brings_in_is_customers_and_equal_numbers_of_conversations_are_one()
    {
        Task<List<SolveMenuResponse>> Solved(params int[] conversations) => Answers(new SolveMenuRequest
        {
            Market = Worked, Options = new() { ConversationsByType = { conversations }, MinorUnits = new() { Currency = "USD" }, Constraints = new() { NobodyExcluded = true } },
        });
        // 0.5 and 0.2 of customers are won, who have 5 and 0.2 of 35.2 conversations.
        Assert.Equal(0.7, Assert.Single(await Solved(100, 10, 1)).Solution.ConstraintCosts[0].ShareServedGain, 1e-12);
        // In whole cents of a fee for 20 conversations.
        var each = Assert.Single(await Answers(new SolveMenuRequest
        {
            Market = Worked, Options = new() { MinorUnits = new() { Currency = "USD", ConversationsPerPeriod = 20 }, Constraints = new() { NobodyExcluded = true } },
        }));
        Assert.Equal(each.Solution, Assert.Single(await Solved(20, 20, 20)).Solution);
    }

    [Fact]
    public async Task A_menu_is_compared_with_every_other_way_of_charging()
    {
        var running = await plans.Client.DraftMenuAsync(Draft("Running"));
        var answer = await plans.Client.CompareMenusAsync(new CompareMenusRequest { Market = Worked, RunningMenuId = running.MenuId });
        Assert.Equal(
            ["menu", "menu_without_limit", "one_plan", "pay_per_token", "two_part_tariff", "flat_fee", "token_market", "running_menu"], answer.Tariffs.Select(t => t.Kind));
        Assert.Equal([10.96, 10.96, 9.6, 9.6, 9.6, 9.6, 7.6, 10.96], answer.Tariffs.Select(t => Math.Round(t.Profit, 9)));
        // One plan of cap 2 costs 15 and leaves the patient 19.2; the menu leaves them 8.
        Assert.Equal((0.3, 11.2), (Math.Round(answer.Tariffs[2].ShareWorse, 9), Math.Round(answer.Tariffs[2].MeanLoss, 9)));
        Assert.Equal([(1, 9.6), (2, 10.96)], answer.PlanCounts.Select(c => (c.Plans, Math.Round(c.Profit, 9))));
    }

    [Fact]
    public async Task A_continuous_market_is_bounded_itself_and_not_only_its_types()
    {
        var market = new Contracts.PlanDesign.V1.Market { Urgency = new() { Uniform = new() { From = 0, To = 1 }, TypeCount = 30 }, AnswerTime = new() { Exponential = new() { MeanSeconds = 5 }, CapTokensMax = 150 }, TokensPerSecond = 5, ValuePerAnswer = 1 };
        var certificate = Assert.Single(await Answers(new SolveMenuRequest { Market = market })).Solution.Certificate;
        Assert.True(certificate.DensityUpperBound > 1.01 * certificate.UpperBound);
        Assert.InRange(certificate.UpperBound, 0, certificate.TokenBound + 1e-9);
    }

    [Fact]
    public async Task The_frontier_says_what_capacity_earns_and_refuses_what_it_cannot_say()
    {
        var request = new GetFrontierRequest { Market = Worked, ConversationsPerSecond = 10, GpuTokensPerSecond = 4 };
        var frontier = await plans.Client.GetFrontierAsync(request);
        Assert.Equal(10.96, frontier.Capacity[^1].Profit, 1e-9);
        Assert.Equal((0.95, 9.5), (Math.Round(frontier.Capacity[^1].TokensPerConversation, 9), Math.Round(frontier.Capacity[^1].TokensPerSecond, 9)));
        Assert.Equal([1, 2, 3], frontier.Gpus.Select(g => g.Gpus));
        Assert.Equal(109.6, frontier.Gpus.Sum(g => g.OneLessCostsPerSecond), 1e-6);
        Assert.Null(frontier.Today);
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await plans.Client.GetFrontierAsync(new GetFrontierRequest { Market = Worked, CapacityTokensPerSecond = 4 }));
        Assert.Contains("conversationsPerSecond: is missing", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_draft_can_be_judged_by_its_market_its_rules_and_every_bound()
    {
        var asked = Draft("Judged");
        asked.Market = new()
        {
            Urgency = new() { Uniform = new() { From = 0.1, To = 1 }, TypeCount = 8 }, AnswerTime = new() { Exponential = new() { MeanSeconds = 5 }, CapTokensMax = 20 },
            TokensPerSecond = 5, ValuePerAnswer = 1, ServingCostPerToken = 0.001,
        };
        asked.Constraints = new() { CapTokensMax = 15 };
        asked.ConversationsPerPeriod = 1;
        var draft = await plans.Client.DraftMenuAsync(asked);
        var menu = await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = draft.MenuId, IncludeMarket = true });
        Assert.Equal((asked.Market, asked.Constraints, 3), (menu.Market, menu.Constraints, menu.PlansMax));
        var (solved, kept) = (Assert.Single(await Answers(new SolveMenuRequest
        {
            Market = asked.Market, Options = new() { PlansMax = 3, MinorUnits = new() { Currency = "USD", ConversationsPerPeriod = 1 }, Constraints = asked.Constraints },
        })).Solution, menu.Solution);
        Assert.Equal(solved.Certificate, kept.Certificate);
        Assert.Equal("exact_prices", kept.Certificate.UpperBoundOf);
        Assert.True(kept.Certificate.TokenBound > 0 && kept.Certificate.TypeBound > 0 && kept.Certificate.DensityUpperBound >= kept.Certificate.UpperBoundInMinorUnits);
        Assert.True(kept.Certificate.UpperBoundAtTypes < kept.Certificate.UpperBoundInMinorUnits);
        Assert.Contains(kept.Notices, n => n.StartsWith("urgency is continuous", StringComparison.Ordinal));
        // What the rule costs is what it was when the menu was solved, in every answer that has the menu.
        Assert.Equal(["cap_tokens_max", "all"], kept.ConstraintCosts.Select(c => c.Constraint));
        Assert.Equal((solved.ConstraintCosts, solved.ConstraintCosts), (draft.Solution.ConstraintCosts, kept.ConstraintCosts));
        Assert.True(kept.ConstraintCosts[0] is { ProfitCost: > 0, IsAbout: true, ExitReasonWithout: "optimal", ExitReasonWith: "optimal" });
        // Lists stay small, and exact prices have no bound in minor units.
        Assert.Null((await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = draft.MenuId })).Market);
        Assert.False(Assert.Single(await Answers(new SolveMenuRequest { Market = Worked })).Solution.Certificate.HasUpperBoundInMinorUnits);
    }

    [Fact]
    public async Task A_published_menu_proves_itself_offline()
    {
        var draft = await plans.Client.DraftMenuAsync(Draft("Signed"));
        Assert.Null(draft.Signature);
        await plans.Client.PublishMenuAsync(Publish(draft));
        var menu = await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = draft.MenuId, IncludeSignedDocument = true });
        var check = SignedMenu.Check(System.Text.Encoding.UTF8.GetBytes(menu.SignedDocument));
        Assert.Empty(check.Findings);
        Assert.Equal((menu.Signature.PublicKey.ToBase64(), menu.MenuId, "Signed", "ada"), (check.PublicKey, check.Document!.MenuId, check.Document.Name, check.Document.PublishedBy));
        Assert.Empty(MenuVerification.Recompute(check.Document).Findings);
        Assert.Equal("", (await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = draft.MenuId })).SignedDocument);
    }

    private async Task<List<SolveMenuResponse>> Answers(SolveMenuRequest request)
    {
        using var call = plans.Client.SolveMenu(request);
        var answers = new List<SolveMenuResponse>();
        await foreach (var answer in call.ResponseStream.ReadAllAsync()) answers.Add(answer);
        return answers;
    }

    [Fact]
    public async Task A_menu_is_drafted_published_and_retired_and_reads_the_same_everywhere()
    {
        var drafted = await plans.Client.DraftMenuAsync(Draft());
        Assert.Equal((MenuStatus.Solved, "Chat", "USD", 20), (drafted.Status, drafted.Name, drafted.Currency, drafted.ConversationsPerPeriod));
        Assert.Equal([(2L, 40L), (1L, 20L)], drafted.Plans.Select(p => (p.ConversationCapTokens, p.PeriodCapTokens)));
        Assert.All(drafted.Plans, p => Assert.Equal(0, p.PeriodFeeMicros % 10_000));
        Assert.Equal(drafted, await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = drafted.MenuId }));

        var published = await plans.Client.PublishMenuAsync(Publish(drafted));
        Assert.Equal(MenuStatus.Published, published.Status);
        Assert.Equal(drafted.Plans, published.Plans);
        Assert.Equal(published, await plans.Client.PublishMenuAsync(Publish(drafted)));

        var retired = await plans.Client.RetireMenuAsync(new RetireMenuRequest { MenuId = drafted.MenuId, Actor = "ada", Reason = "a new menu earns more" });
        Assert.Equal(MenuStatus.Retired, retired.Status);
        Assert.Equal(retired, await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = drafted.MenuId }));
        Assert.Equal("menu_retired", (await Refused(() => plans.Client.PublishMenuAsync(Publish(drafted)))).Reason);
    }

    [Fact]
    public async Task A_discarded_draft_says_so_and_who_discarded_it_when_and_why()
    {
        var drafted = await plans.Client.DraftMenuAsync(Draft("Too dear"));
        var discarded = await plans.Client.RetireMenuAsync(new RetireMenuRequest { MenuId = drafted.MenuId, Actor = "ada", Reason = "too dear" });
        Assert.Equal((MenuStatus.Discarded, "ada", "too dear"), (discarded.Status, discarded.RetiredBy, discarded.RetiredReason));
        Assert.Null(discarded.PublishedAt);
        Assert.Equal(plans.Service.App.Services.GetRequiredService<BusinessClock>().Now, discarded.RetiredAt.ToDateTimeOffset());
        Assert.Equal(discarded, await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = drafted.MenuId }));
        var (_, reason, detail) = await Refused(() => plans.Client.PublishMenuAsync(Publish(drafted)));
        Assert.Equal(("menu_retired", $"{drafted.MenuId} was discarded, and does not come back: draft it anew"), (reason, detail));
    }

    /// <summary>As one that was stored before the view had who ended a menu, and why.</summary>
    [Fact]
    public async Task A_view_of_an_earlier_version_is_of_a_discarded_draft_too_and_the_stream_says_by_whom()
    {
        var drafted = await plans.Client.DraftMenuAsync(Draft("Long ago"));
        await plans.Client.RetireMenuAsync(new RetireMenuRequest { MenuId = drafted.MenuId, Actor = "ada", Reason = "too dear" });
        var store = plans.Service.App.Services.GetRequiredService<IDocumentStore>();
        await using (var session = store.LightweightSession())
        {
            session.Store((await session.LoadAsync<MenuView>(drafted.MenuId))! with { RetiredBy = null, RetiredReason = null });
            await session.SaveChangesAsync();
        }
        var listed = await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = drafted.MenuId });
        Assert.Equal((MenuStatus.Discarded, "", ""), (listed.Status, listed.RetiredBy, listed.RetiredReason));
        var whole = await plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = drafted.MenuId, IncludeMarket = true });
        Assert.Equal((MenuStatus.Discarded, "ada", "too dear"), (whole.Status, whole.RetiredBy, whole.RetiredReason));
    }

    [Fact]
    public async Task A_repeated_key_drafts_one_menu()
    {
        var first = await plans.Client.DraftMenuAsync(Draft("Once"), Key("d1"));
        Assert.Equal(first, await plans.Client.DraftMenuAsync(Draft("Once"), Key("d1")));
        Assert.Equal((StatusCode.InvalidArgument, "idempotency_key_reused"), (await Refused(() => plans.Client.DraftMenuAsync(Draft("Twice"), Key("d1")))) switch { var (s, r, _) => (s, r) });
    }

    [Fact]
    public async Task Menus_are_listed_newest_first_page_by_page()
    {
        for (var n = 0; n < 5; n++) await plans.Client.DraftMenuAsync(Draft($"Page {n}"));
        var (all, token) = (new List<string>(), "");
        do
        {
            var page = await plans.Client.ListMenusAsync(new ListMenusRequest { PageSize = 2, PageToken = token });
            Assert.InRange(page.Menus.Count, 1, 2);
            all.AddRange(page.Menus.Select(m => m.MenuId));
            token = page.NextPageToken;
        }
        while (token != "");
        Assert.Equal(all.OrderDescending(StringComparer.Ordinal), all);
        Assert.Equal(all.Count, all.Distinct().Count());
        Assert.Equal(all, (await plans.Client.ListMenusAsync(new ListMenusRequest { PageSize = 100 })).Menus.Select(m => m.MenuId));
    }

    [Fact]
    public async Task The_catalog_is_the_fold_of_the_stream()
    {
        var menu = await plans.Client.DraftMenuAsync(Draft());
        await plans.Client.PublishMenuAsync(Publish(menu));
        var store = plans.Service.App.Services.GetRequiredService<IDocumentStore>();
        await using var session = store.QuerySession();
        var view = await session.LoadAsync<MenuView>(menu.MenuId);
        var folded = EventStreams.Fold<MenuView?, MenuEvent>(await session.Events.FetchStreamAsync(menu.MenuId), null, (v, e) => MenuCatalog.Evolve(v, menu.MenuId, e));
        Assert.Equal(store.Options.Serializer().ToJson(folded), store.Options.Serializer().ToJson(view));
    }

    [Fact]
    public async Task A_menu_without_plans_is_kept_but_not_published()
    {
        var draft = Draft();
        draft.Market.ServingCostPerToken = 100;
        var menu = await plans.Client.DraftMenuAsync(draft);
        Assert.Equal("not_worth_serving", menu.Solution.ExitReason);
        Assert.Empty(menu.Plans);
        Assert.Equal((StatusCode.FailedPrecondition, "menu_empty"), (await Refused(() => plans.Client.PublishMenuAsync(Publish(menu)))) switch { var (s, r, _) => (s, r) });
    }

    public static TheoryData<string, Action<DraftMenuRequest>, StatusCode, string, string> BadDrafts => new()
    {
        { "no market", r => r.Market = null, StatusCode.InvalidArgument, "market_invalid", "market is missing" },
        { "no urgency", r => r.Market.Urgency = null, StatusCode.InvalidArgument, "market_invalid", "market.urgency is missing" },
        { "no urgency model", r => r.Market.Urgency = new(), StatusCode.InvalidArgument, "market_invalid", "market.urgency: one of discrete, uniform, log_normal, gamma, empirical and mixture is missing" },
        { "no answer time", r => r.Market.AnswerTime = null, StatusCode.InvalidArgument, "market_invalid", "market.answer_time is missing" },
        { "weights do not sum", r => r.Market.Urgency.Discrete.Weights[0] = 0.9, StatusCode.InvalidArgument, "market_invalid", "urgency.weights" },
        { "negative cost", r => r.Market.ServingCostPerToken = -1, StatusCode.InvalidArgument, "market_invalid", "servingCostPerToken" },
        { "infinite value", r => r.Market.ValuePerAnswer = double.PositiveInfinity, StatusCode.InvalidArgument, "menu_invalid", "value_per_answer" },
        { "no speed", r => r.Market.TokensPerSecond = double.NaN, StatusCode.InvalidArgument, "market_invalid", "tokensPerSecond" },
        { "negative plans", r => r.PlansMax = -1, StatusCode.InvalidArgument, "market_invalid", "plansMax" },
        { "no name", r => r.Name = "", StatusCode.InvalidArgument, "menu_invalid", "name is missing" },
        { "no conversations", r => r.ConversationsPerPeriod = 0, StatusCode.InvalidArgument, "menu_invalid", "conversations_per_period" },
        { "no currency", r => r.Currency = "", StatusCode.InvalidArgument, "invalid_argument", "currency ''" },
        { "unknown currency", r => r.Currency = "usd", StatusCode.InvalidArgument, "invalid_argument", "currency 'usd'" },
        { "too many types", r => r.Market.Urgency = new() { Uniform = new() { To = 1 }, TypeCount = 51 }, StatusCode.ResourceExhausted, "market_too_large", "PlanDesign__TypesMax" },
        { "more types than said", r => r.Market.Urgency = new() { Uniform = new() { To = 1 } }, StatusCode.ResourceExhausted, "market_too_large", "PlanDesign__TypesMax" },
        { "too long a cap", r => r.Market.AnswerTime = new() { Exponential = new() { MeanSeconds = 1 }, CapTokensMax = 201 }, StatusCode.ResourceExhausted, "market_too_large", "PlanDesign__CapTokensMax" },
        { "too many observations", r => r.Market.AnswerTime = new() { Empirical = new() { Tokens = { Enumerable.Repeat(5, 11) } } }, StatusCode.ResourceExhausted, "market_too_large", "PlanDesign__ObservationsMax" },
        { "too much work", r => { r.Market.Urgency = new() { Uniform = new() { To = 1 }, TypeCount = 50 }; r.Market.AnswerTime = new() { Exponential = new() { MeanSeconds = 1 }, CapTokensMax = 200 }; }, StatusCode.ResourceExhausted, "market_too_large", "PlanDesign__CellsMax" },
    };

    [Theory, MemberData(nameof(BadDrafts))]
    public async Task A_bad_draft_is_refused_by_the_field_at_fault(string what, Action<DraftMenuRequest> spoil, StatusCode status, string reason, string detail)
    {
        _ = what;
        var request = Draft("Bad");
        spoil(request);
        var refused = await Refused(() => plans.Client.DraftMenuAsync(request));
        Assert.Equal((status, reason), (refused.Status, refused.Reason));
        Assert.Contains(detail, refused.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("menu_00000000000000000000000000000000", StatusCode.NotFound, "menu_not_found")]
    [InlineData("plan_00000000000000000000000000000000", StatusCode.InvalidArgument, "invalid_argument")]
    [InlineData("", StatusCode.InvalidArgument, "invalid_argument")]
    public async Task An_unknown_menu_is_refused_by_every_call(string menuId, StatusCode status, string reason)
    {
        foreach (var call in new Func<AsyncUnaryCall<Contracts.PlanDesign.V1.Menu>>[]
        {
            () => plans.Client.GetMenuAsync(new GetMenuRequest { MenuId = menuId }),
            () => plans.Client.PublishMenuAsync(new PublishMenuRequest { MenuId = menuId, Actor = "ada" }),
            () => plans.Client.RetireMenuAsync(new RetireMenuRequest { MenuId = menuId, Actor = "ada", Reason = "why" }),
        })
        {
            var refused = await Refused(call);
            Assert.Equal((status, reason), (refused.Status, refused.Reason));
        }
    }

    [Theory, InlineData(101, ""), InlineData(-1, ""), InlineData(10, "x")]
    public async Task A_page_that_cannot_be_is_refused(int size, string token)
    {
        var e = await Assert.ThrowsAsync<RpcException>(async () => await plans.Client.ListMenusAsync(new ListMenusRequest { PageSize = size, PageToken = token }));
        Assert.Equal((StatusCode.InvalidArgument, "invalid_argument"), Why(e) switch { var (s, r, _) => (s, r) });
    }
}
