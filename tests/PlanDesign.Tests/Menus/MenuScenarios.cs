using PlanDesign.AnswerTimes;
using PlanDesign.Comparison;
using PlanDesign.Menus;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Tests.Menus;

/// <summary>The worked menu of the README: caps of 2 and 1 tokens at 26.20 and 10.00 a conversation, 20 conversations a period.</summary>
internal static class MenuScenarios
{
    public static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly string MenuId = Ids.Derive(Ids.Menu, Jan1, "worked");
    public static readonly Currency Usd = Currency.Parse("USD");

    public static Market Worked { get; } = new(
        new DiscreteUrgency([-Math.Log(0.9), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 2);

    public static Market NotWorthServing { get; } = Worked with { ServingCostPerToken = 100 };

    public static Scenario<MenuState, MenuEvent> AMenu => new(MenuState.Initial, MenuState.Evolve);

    public static DraftMenu Draft(Market? market = null, string name = "Chat", int conversations = 20, string[]? models = null)
    {
        var solution = MenuSolver.Solve(market ?? Worked, DraftMenuDecision.OptionsFor(3, Usd, conversations));
        return new(MenuId, name, market ?? Worked, 3, Usd, conversations, models ?? [], solution, solution.IsUsable ? TariffComparison.Of(market ?? Worked, solution) : null, Jan1);
    }

    public static MenuEvent[] Solved(Market? market = null) => [.. DraftMenuDecision.Decide(Draft(market), MenuState.Initial).Events];

    public static readonly MenuSignature Signature = new(MenuDocument.Form, "a2V5", "dmFsdWU=", "ZGlnZXN0cw==");
    public static readonly MenuPublished Published = new("ada", Jan1.AddHours(1)) { Signature = Signature };
    public static readonly MenuRetired Retired = new("ada", "a new menu earns more", Jan1.AddHours(2));
    public static readonly MenuDiscarded Discarded = new("ada", "a new menu earns more", Jan1.AddHours(2));
}
