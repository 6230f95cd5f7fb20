using System.Text.Json;

namespace PlanDesign.Screening.Constraints;

/// <param name="ProfitCost">What the rule costs: the profit without it less the profit with it, money per conversation of the whole market.</param>
/// <param name="ShareServedGain">What it brings in customers served, of all customers; negative if it drives some away.</param>
/// <param name="TokensGain">What it brings in tokens per conversation of the whole market.</param>
/// <remarks>All are null where no menu could be had without the rule, and <see cref="Unknown"/> says why.</remarks>
public sealed record ConstraintCost(string Constraint, double? ProfitCost, double? ShareServedGain, double? TokensGain)
{
    /// <summary>What it brings in conversations served, of all conversations, where customers differ in how many they have; else null, for it is <see cref="ShareServedGain"/>.</summary>
    public double? ConversationsServedGain { get; init; }

    /// <summary>Why the rule has no price; null where it has one.</summary>
    public string? Unknown { get; init; }

    /// <summary>Why the solver stopped without the rule, and under it, camelCase.</summary>
    public string ExitReasonWithout { get; init; } = "";

    /// <inheritdoc cref="ExitReasonWithout"/>
    public string ExitReasonWith { get; init; } = "";

    /// <summary>
    /// Whether the cost is only about that much: one of the two menus is not proved the best of its kind, or both are in minor units of a market with a density,
    /// where the best from its types is judged by customers between them. It may then be below nothing.
    /// </summary>
    public bool IsAbout { get; init; }
}

/// <summary>
/// Each rule priced by itself, the others kept; and all of them together, under the name <c>all</c>, against no rule at all. Rules that bind
/// together may cost more or less together than apart.
/// </summary>
public static class ConstraintCosts
{
    /// <param name="solution">Solved, and usable, for this market and these options.</param>
    /// <param name="progress">From 0 to 1, as one menu after another is solved.</param>
    public static IReadOnlyList<ConstraintCost> Of(
        Market market, SolveOptions options, MenuSolution solution, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        if (!solution.IsUsable) throw new ArgumentException("a menu that was refused or not certified cannot be priced", nameof(solution));
        if (options.Constraints is not { } rules) return [];
        var each = rules.Each().Append(("all", new MenuConstraints())).ToArray();
        return [.. each.Select((rule, n) => Between(market, rule.Item1,
            MenuSolver.Solve(market, options with { Constraints = rule.Item2 }, new PartOfProgress(progress, (double)n / each.Length, 1.0 / each.Length), cancellation), solution, options.MinorUnits is not null && market.Urgency.HasDensity))];
    }

    private static ConstraintCost Between(Market market, string name, MenuSolution without, MenuSolution with, bool betweenTypes)
    {
        var cost = without.IsUsable
            ? new ConstraintCost(name, without.Profit - with.Profit, CustomersServed(market, with) - CustomersServed(market, without), Tokens(with) - Tokens(without))
            {
                ConversationsServedGain = market.CustomersByType is null ? null : with.ShareServed - without.ShareServed,
            }
            : new(name, null, null, null) { Unknown = without.Fault?.ToString() ?? "without it the certificate does not hold" };
        return cost with
        {
            ExitReasonWithout = Camel(without), ExitReasonWith = Camel(with), IsAbout = without.IsUsable && (betweenTypes || !IsProved(without) || !IsProved(with)),
        };
    }

    private static bool IsProved(MenuSolution menu) => menu.ExitReason is ExitReason.Optimal or ExitReason.NotWorthServing;

    private static string Camel(MenuSolution menu) => JsonNamingPolicy.CamelCase.ConvertName(menu.ExitReason.ToString());

    private static double CustomersServed(Market market, MenuSolution menu) =>
        market.CustomersByType is { } customers ? Math.Min(1, customers.Where((_, type) => menu.CapTokensByType[type] > 0).Sum()) : menu.ShareServed;

    private static double Tokens(MenuSolution menu) => menu.Tiers.Sum(t => t.Share * t.ExpectedTokensPerConversation);
}
