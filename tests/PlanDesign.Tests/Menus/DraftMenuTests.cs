using PlanDesign.AnswerTimes;
using PlanDesign.Menus;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;
using PlanDesign.Urgency;
using static PlanDesign.Tests.Menus.MenuScenarios;

namespace PlanDesign.Tests.Menus;

public class DraftMenuTests
{
    [Fact]
    public void A_draft_keeps_its_market_and_the_menu_solved_for_it()
    {
        var events = Solved();
        var (drafted, solved) = (Assert.IsType<MenuDrafted>(events[0]), Assert.IsType<MenuSolved>(events[1]));
        Assert.Equal(2, events.Length);
        Assert.Equal(MarketJson.Write(Worked), MarketJson.Write(MarketJson.Read(drafted.Market).Market!));
        Assert.Equal("optimal", solved.ExitReason);
        Assert.Equal([2, 1], solved.Tiers.Select(t => t.CapTokens));
        Assert.Equal(["2 tokens", "1 token"], solved.Tiers.Select(t => t.Name));
        Assert.Equal(["one_plan", "flat_fee", "pay_per_token", "two_part_tariff", "token_market"], solved.Alternatives.Select(a => a.Kind));
        AMenu.When(s => DraftMenuDecision.Decide(Draft(), s)).Then(events);
    }

    [Theory, InlineData(20), InlineData(7), InlineData(1)]
    public void A_fee_is_the_price_of_a_periods_conversations_in_whole_minor_units(int conversations)
    {
        var solved = (MenuSolved)DraftMenuDecision.Decide(Draft(conversations: conversations), MenuState.Initial).Events[1];
        foreach (var (tier, price) in solved.Tiers.Zip([26.2, 10.0]))
        {
            Assert.Equal(0, tier.PeriodFee.Value % Usd.MinorUnit.Value);
            Assert.InRange(tier.PeriodFee.Value / 1e6, price * conversations - 0.01 - 1e-9, price * conversations + 1e-9);
            Assert.Equal(tier.PeriodFee.Value / 1e6 / conversations, tier.PricePerConversation, 1e-12);
        }
    }

    [Fact]
    public void A_free_tier_that_nobody_makes_do_with_is_a_plan_without_a_fee()
    {
        var market = new Market(new DiscreteUrgency([0.1], [1]), new DiscreteAnswerTime([0.3, 0.4, 0.3]), 1, 40, 0.1);
        var rules = new MenuConstraints { FreeTierCapTokens = 1 };
        var solution = MenuSolver.Solve(market, DraftMenuDecision.OptionsFor(null, Usd, 20, rules));
        var draft = Draft() with { Market = market, PlansMax = null, Solution = solution, Comparison = null, Constraints = rules };
        var solved = (MenuSolved)DraftMenuDecision.Decide(draft, MenuState.Initial).Events[1];
        Assert.Equal([(3, true), (1, false)], solved.Tiers.Select(t => (t.CapTokens, t.PeriodFee.Value > 0)));
        Assert.Equal(0, solved.Tiers[1].Share);
    }

    [Fact]
    public void What_each_rule_costs_is_kept_with_the_menu()
    {
        var rules = new MenuConstraints { CapTokensMax = 1 };
        var options = DraftMenuDecision.OptionsFor(3, Usd, 20, rules);
        var solution = MenuSolver.Solve(Worked, options);
        var draft = Draft() with { Solution = solution, Constraints = rules, ConstraintCosts = ConstraintCosts.Of(Worked, options, solution) };
        var costs = ((MenuSolved)DraftMenuDecision.Decide(draft, MenuState.Initial).Events[1]).ConstraintCosts!;
        // 0.8 · (10 − 2) in place of 10.96, to the same four fifths of customers, who generate 0.15 tokens less.
        Assert.Equal([("cap_tokens_max", 4.56, 0, -0.15), ("all", 4.56, 0, -0.15)],
            costs.Select(c => (c.Constraint, Math.Round(c.ProfitCost!.Value, 9), Math.Round(c.ShareServedGain!.Value, 9), Math.Round(c.TokensGain!.Value, 9))));
        Assert.All(costs, c => Assert.Equal(("optimal", false, null), (c.ExitReasonWithout, c.IsAbout, c.Unknown)));
        Assert.Null(((MenuSolved)Solved()[1]).ConstraintCosts);
    }

    [Fact]
    public void A_plans_id_follows_from_its_menu_and_cap()
    {
        var tiers = ((MenuSolved)Solved()[1]).Tiers;
        Assert.Equal([DraftMenuDecision.PlanId(Jan1, MenuId, 2), DraftMenuDecision.PlanId(Jan1, MenuId, 1)], tiers.Select(t => t.PlanId));
        Assert.NotEqual(tiers[0].PlanId, DraftMenuDecision.PlanId(Jan1, Ids.Derive(Ids.Menu, Jan1, "another"), 2));
    }

    [Fact]
    public void A_menu_id_is_drafted_once() =>
        AMenu.Given(Solved()).When(s => DraftMenuDecision.Decide(Draft(name: "Another"), s)).ThenRefused("menu_exists");

    [Fact]
    public void A_repeated_draft_changes_nothing_even_after_retirement() =>
        AMenu.Given([.. Solved(), Published, Retired]).When(s => DraftMenuDecision.Decide(Draft(), s)).ThenNothing();

    [Fact]
    public void A_market_not_worth_serving_is_kept_with_a_menu_without_plans()
    {
        var solved = (MenuSolved)Solved(NotWorthServing)[1];
        Assert.Equal(("not_worth_serving", 0, 0.0), (solved.ExitReason, solved.Tiers.Count, solved.Profit));
    }

    [Theory]
    [InlineData("", 20, "m", "name is missing")]
    [InlineData("a\nb", 20, "m", "name has control characters")]
    [InlineData("Chat", 0, "m", "conversations_per_period is 0, expected 1 to 1000000")]
    [InlineData("Chat", -1, "m", "conversations_per_period is -1, expected 1 to 1000000")]
    [InlineData("Chat", 20, " ", "models[1] is missing")]
    [InlineData("Chat", 20, "first", "models[1] 'first' is named twice")]
    public void A_bad_word_or_count_is_named(string name, int conversations, string model, string detail) =>
        Assert.Equal(new Refusal("menu_invalid", detail), DraftMenuDecision.Check(name, conversations, ["first", model], 40, SaleTerms.None));

    [Fact]
    public void A_fee_that_no_invoice_can_show_is_refused() =>
        Assert.Contains("no invoice", DraftMenuDecision.Check("Chat", 1_000_000, [], 1e7, SaleTerms.None)!.Value.Detail, StringComparison.Ordinal);

    [Fact]
    public void Nothing_is_drafted_from_a_market_that_the_solver_refused()
    {
        var refused = Draft() with { Solution = MenuSolution.Refused(new("urgency.weights", "sum to 2, expected 1")) };
        AMenu.When(s => DraftMenuDecision.Decide(refused, s)).ThenRefused("market_invalid");
    }
}
