using PlanDesign.AnswerTimes;
using PlanDesign.Screening;
using PlanDesign.Urgency;

namespace PlanDesign.Comparison;

public sealed class PlanCountTests
{
    public static TheoryData<string, Market> Markets => new()
    {
        { "three types", new(new DiscreteUrgency([-Math.Log(0.9), Math.Log(2), Math.Log(5)], [0.3, 0.5, 0.2]), new DiscreteAnswerTime([0.5, 0.5]), 1, 40, 2) },
        { "a density", new(new LogNormalUrgency(-2.5, 1.5), new ExponentialAnswerTime(7), 30, 2, 2e-5) { TypeCount = 120 } },
        { "nothing worth serving", new(new UniformUrgency(0.1, 1), new ExponentialAnswerTime(7), 30, 2, 10) { TypeCount = 20, CapTokensMax = 100 } },
    };

    [Theory, MemberData(nameof(Markets))]
    public void Revenue_and_profit_by_number_of_plans_are_those_of_the_menus_themselves(string what, Market market)
    {
        _ = what;
        foreach (var count in PlanCounts.Of(market, 5))
        {
            var menu = MenuSolver.Solve(market, new(count.Plans));
            Assert.Equal((menu.Profit, menu.Revenue), (count.Profit, count.Revenue), (a, b) => Math.Abs(a.Item1 - b.Item1) < 1e-9 && Math.Abs(a.Item2 - b.Item2) < 1e-9);
        }
    }
}
