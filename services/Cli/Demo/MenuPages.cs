using PlanDesign.Comparison;
using PlanDesign.Screening;
using Spectre.Console;

namespace Cli.Demo;

/// <summary>The first two steps: the market, and the menu that is best for it, with its proof and what other tariffs would earn.</summary>
public static class MenuPages
{
    public static void ShowMarket(DemoScreen screen, string? trace, IReadOnlyList<ObservedConversation> observed)
    {
        screen.Title("1  A market");
        var tokens = observed.Select(o => o.GeneratedTokens).Order().ToArray();
        screen.Say($"{observed.Count:N0} conversations {(trace is null ? "(made up; --trace takes real ones)" : "from the trace")}: generated tokens mean {tokens.Average():0}, median {tokens[tokens.Length / 2]:N0}, longest {tokens[^1]:N0}");
        screen.Say($"Customers differ in urgency only, and it is private: that is why a menu beats one price.");
    }

    /// <exception cref="UserException">no menu can be had for this market, and why</exception>
    public static void SolveAndShow(DemoScreen screen, DemoMarket market)
    {
        screen.Title("2  The best menu");
        var solution = MenuSolver.Solve(market.Market, market.Options);
        if (solution.Fault is { } fault) throw new UserException($"no menu: {fault}");
        if (solution.Tiers.Count == 0) throw new UserException("this market is not worth serving: no plan earns more than it costs");
        var table = InvoicePrinter.Table("cap, tokens", "a month", "a chat", "market share", "urgency, 1/s", "of revenue");
        foreach (var tier in solution.Tiers)
        {
            table.AddRow(
                $"{tier.CapTokens:N0}", $"{tier.PricePerConversation * DemoMarket.ConversationsPerPeriod:0.00} {market.Currency}", $"{tier.PricePerConversation:0.0000}",
                $"{tier.Share:P1}", $"{tier.UrgencyFromPerSecond:0.000} to {tier.UrgencyToPerSecond:0.000}", $"{tier.Share * tier.PricePerConversation / solution.Revenue:P1}");
        }
        screen.Console.Write(table);
        var c = solution.Certificate;
        screen.Say($"Profit {solution.Profit:0.0000} {market.Currency} a chat. No menu of {DemoMarket.PlansMax} plans can earn more than {c.UpperBound:0.0000}: separate code proved it.");
        screen.Say($"What anybody would gain by another plan than hers: {c.MaxIncentiveViolation:0.0e+0}; by not buying: {c.MaxParticipationViolation:0.0e+0}.");
        ShowComparison(screen, market, solution);
    }

    private static void ShowComparison(DemoScreen screen, DemoMarket market, MenuSolution solution)
    {
        var comparison = TariffComparison.Of(market.Market, solution);
        var table = InvoicePrinter.Table("way of selling", "profit a chat", "of the menu's", "users served", "tokens a chat");
        foreach (var (name, o) in new[] { ("this menu", comparison.Menu), ("one plan", comparison.OnePlan!), ("pay per token", comparison.PayPerToken), ("flat fee", comparison.FlatFee) })
            table.AddRow(name, $"{o.Profit:0.000000}", $"{o.Profit / comparison.Menu.Profit:P1}", $"{o.ShareServed:P1}", $"{o.Tokens:0.0}");
        screen.Console.Write(table);
    }
}
