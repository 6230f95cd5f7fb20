using PlanDesign.Screening;

namespace PlanDesign.Comparison;

/// <summary>
/// A menu beside the other ways to charge for the same answers, each set as well as it can be on the same types, caps and answer times. The
/// menu without limit at exact prices is at least as good as each of them; one of few plans, or in minor units, may lose to pay per token
/// or to a two-part tariff, and then <see cref="Notices"/> says so. A further tariff is a file of its own and a property here.
/// </summary>
/// <param name="Menu">The menu that was asked for.</param>
/// <param name="MenuWithoutLimit">The best menu with any number of plans at exact prices and without any rule; null where its certificate does not hold.</param>
/// <param name="OnePlan">The best plan by itself; null where its certificate does not hold.</param>
public sealed record TariffComparison(
    TariffOutcome Menu, TariffOutcome? MenuWithoutLimit, TariffOutcome? OnePlan, TariffOutcome PayPerToken, TariffOutcome FlatFee)
{
    public required TariffOutcome TwoPartTariff { get; init; }

    /// <summary>A uniform-price auction of as many tokens as the menu serves.</summary>
    public required TariffOutcome TokenMarket { get; init; }

    /// <summary>The menu on sale today; null if none was given.</summary>
    public TariffOutcome? RunningMenu { get; init; }

    /// <summary>Every other tariff by its name, with what customers gain or lose when the menu takes its place.</summary>
    public required IReadOnlyList<(string Name, TariffOutcome Outcome, SurplusChange ToMenu)> Others { get; init; }

    /// <summary>What was compared in.</summary>
    internal Market Market { get; init; } = null!;

    /// <summary>The part of customers whom a tariff serves, where <see cref="TariffOutcome.ShareServed"/> is of conversations; else null, for it is the same.</summary>
    public double? CustomersServed(TariffOutcome outcome) => Market.CustomersByType is null ? null : Market.CustomersServed(outcome.ShareServed);

    /// <summary>What has no figures because its certificate does not hold: menuWithoutLimit, onePlan, and the sentence that says so.</summary>
    public required IReadOnlyList<(string Kind, string Notice)> WithoutFigures { get; init; }

    /// <summary>Where the menu earns less than a simpler tariff, a sentence that says so and by how much; and one for each without figures.</summary>
    public required IReadOnlyList<string> Notices { get; init; }

    public static TariffComparison Of(Market market, MenuSolution solution, CancellationToken cancellation = default) =>
        Of(market, solution, null, cancellation);

    /// <param name="solution">Solved, and usable, for this very market.</param>
    /// <param name="runningMenu">The plans on sale today, exact prices per conversation; null or empty for none.</param>
    public static TariffComparison Of(
        Market market, MenuSolution solution, IReadOnlyList<PlanOffer>? runningMenu, CancellationToken cancellation = default)
    {
        if (!solution.IsUsable) throw new ArgumentException("a menu that was refused or not certified cannot be compared", nameof(solution));
        var tables = new MarketTables(market, market.Grid(cancellation: cancellation), cancellation);
        var menu = OfMenu(tables, solution);
        TariffOutcome? Best(SolveOptions options) => MenuSolver.Solve(market, options, null, cancellation) is { IsUsable: true } best ? OfMenu(tables, best) : null;
        var (unlimited, onePlan) = (Best(new()), Best(new(PlansMax: 1)));
        var payPerToken = Comparison.PayPerToken.Best(tables, cancellation);
        var flatFee = Comparison.FlatFee.Best(tables);
        var twoPart = Comparison.TwoPartTariff.Best(tables, payPerToken, cancellation);
        var tokenMarket = Comparison.TokenMarket.Clearing(tables, menu.Tokens, cancellation);
        var running = runningMenu is { Count: > 0 } ? Comparison.RunningMenu.Of(market, tables, runningMenu) : null;
        var others = new List<(string Name, TariffOutcome Outcome, SurplusChange ToMenu)>();
        foreach (var (name, outcome) in new[]
        {
            ("one plan", onePlan), ("pay per token", payPerToken), ("two-part tariff", twoPart), ("flat fee", flatFee),
            ("token market", tokenMarket), ("running menu", running),
        })
            if (outcome is not null) others.Add((name, outcome, SurplusChange.Between(tables, outcome, menu)));
        (string Kind, string Notice)[] withoutFigures =
        [
            .. from missing in new[] { ("menuWithoutLimit", "any number of plans", unlimited), ("onePlan", "one plan", onePlan) }
               where missing.Item3 is null
               select (missing.Item1, $"the certificate does not hold for the best menu of {missing.Item2}: it has no figures"),
        ];
        return new(menu, unlimited, onePlan, payPerToken, flatFee)
        {
            Market = market,
            WithoutFigures = withoutFigures,
            TwoPartTariff = twoPart,
            TokenMarket = tokenMarket,
            RunningMenu = running,
            Others = others,
            Notices = [
                .. withoutFigures.Select(w => w.Notice),
                .. twoPart.ProfitMax is { } most ? [FormattableString.Invariant($"the two-part tariff is the best one found: no fee and price earn more than {most:G6}")] : Array.Empty<string>(),
                .. from other in others
                   let ahead = other.Outcome.Profit - menu.Profit
                   where ahead > SurplusChange.Tolerance * market.ValuePerAnswer
                   group FormattableString.Invariant($"{other.Name} ({ahead:G6})") by WhyAhead(other.Outcome, ahead) into alike
                   select $"earning more per conversation than this menu: {string.Join(", ", alike)}; {alike.Key}"],
        };

        string WhyAhead(TariffOutcome other, double ahead) =>
            market.ValueAtCap > 0 ? "with value at the cap no menu is always better than that"
            : other == running && market.Urgency.HasDensity && ahead <= solution.Certificate.DensityUpperBound - menu.Profit && running!.Profit > unlimited?.Profit
            ? "its customers were counted where they really stop buying, and the new menu was solved for types that stand for them: raise typeCount"
            : "of few plans, in minor units or under rules a menu may lose, without limit it never does";
    }

    internal static TariffOutcome OfMenu(MarketTables tables, MenuSolution menu)
    {
        var (value, surplus) = (tables.NewRow(), new double[tables.Types.Count]);
        for (var i = 0; i < surplus.Length; i++)
        {
            if (menu.CapTokensByType[i] == 0) continue;
            tables.FillValue(i, value.AsSpan(0, menu.CapTokensByType[i] + 1));
            surplus[i] = Math.Max(0, value[menu.CapTokensByType[i]] - menu.PriceByType[i]);
        }
        return new TariffOutcome(
            menu.Profit, menu.Revenue, menu.ServingCost, menu.ShareServed, menu.Tiers.Sum(t => t.Share * t.ExpectedTokensPerConversation),
            menu.Tiers.Count == 1 ? menu.Tiers[0].PricePerConversation : null, menu.Tiers.Count == 1 ? menu.Tiers[0].CapTokens : null)
            .WithSurplus(tables, surplus);
    }
}
