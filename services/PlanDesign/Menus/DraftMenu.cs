using System.Globalization;
using System.Text.Json;
using PlanDesign.Comparison;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Menus;

/// <summary>Keeps a market and the menu that was solved for it.</summary>
/// <param name="Market">What was solved; money in major units of the currency.</param>
/// <param name="Solution">Of this market, with at most <paramref name="PlansMax"/> plans and with <see cref="DraftMenuDecision.OptionsFor"/>.</param>
/// <param name="Comparison">Null when the solution may not be used.</param>
public sealed record DraftMenu(
    string MenuId,
    string Name,
    Market Market,
    int? PlansMax,
    Currency Currency,
    int ConversationsPerPeriod,
    IReadOnlyList<string> Models,
    MenuSolution Solution,
    TariffComparison? Comparison,
    DateTimeOffset At)
{
    /// <summary>The rules of the solution; null for none.</summary>
    public MenuConstraints? Constraints { get; init; }

    /// <summary>What each of the rules costs; none where there are none, or where the solution may not be used.</summary>
    public IReadOnlyList<ConstraintCost> ConstraintCosts { get; init; } = [];

    /// <summary>Why, where a watch on the market drafted it; null where a person did.</summary>
    public string? Evidence { get; init; }

    /// <summary>What is sold with the plans beside their caps and fees.</summary>
    public SaleTerms Terms { get; init; } = SaleTerms.None;
}

public static class DraftMenuDecision
{
    public const int NameLengthMax = 200;
    public const int ModelsMax = 100;
    public const int EvidenceLengthMax = 4_000;
    public const int ConversationsPerPeriodMax = 1_000_000;

    /// <summary>The dearest plan imaginable, in major units of the currency: beyond it a fee in micros would not fit.</summary>
    public const double PeriodFeeMax = 1e12;

    /// <summary>What is wrong with the words and counts around the market, before anything is solved; null if nothing.</summary>
    public static Refusal? Check(string name, int conversationsPerPeriod, IReadOnlyList<string> models, double valuePerAnswer, SaleTerms terms)
    {
        if (WrongText("name", name) is { } wrongName) return wrongName;
        if (conversationsPerPeriod is < 1 or > ConversationsPerPeriodMax)
            return Invalid("conversations_per_period", $"is {conversationsPerPeriod}, expected 1 to {ConversationsPerPeriodMax}");
        if (valuePerAnswer * conversationsPerPeriod > PeriodFeeMax)
            return Invalid("conversations_per_period", $"times value_per_answer is more than {PeriodFeeMax:0}: no invoice can show such a fee");
        if (models.Count > ModelsMax) return Invalid("models", $"has {models.Count} entries, expected at most {ModelsMax}");
        for (var n = 0; n < models.Count; n++)
        {
            if (WrongText($"models[{n}]", models[n]) is { } wrongModel) return wrongModel;
            if (models.Take(n).Contains(models[n], StringComparer.Ordinal)) return Invalid($"models[{n}]", $"'{models[n]}' is named twice");
        }
        return terms.Check(conversationsPerPeriod);
    }

    public static SolveOptions OptionsFor(int? plansMax, Currency currency, int conversationsPerPeriod, MenuConstraints? constraints = null) =>
        new(plansMax, new MinorUnits(Math.Pow(10, -currency.Digits), conversationsPerPeriod)) { Constraints = constraints };

    public static Decision<MenuEvent> Decide(DraftMenu c, MenuState state)
    {
        var drafted = new MenuDrafted(c.Name, MarketJson.Write(c.Market), c.PlansMax, c.Currency, c.ConversationsPerPeriod, c.Models, c.At)
        {
            Constraints = MenuConstraintsJson.Write(c.Constraints),
            Evidence = string.IsNullOrEmpty(c.Evidence) ? null : c.Evidence,
            Terms = SaleTerms.Write(c.Terms),
        };
        return state switch
        {
            MenuState.None when c.Solution.Fault is { } fault => Decision.Refuse("market_invalid", fault.ToString()),
            MenuState.None when c.Evidence is { Length: > EvidenceLengthMax } text => Invalid("evidence", $"has {text.Length} characters, expected at most {EvidenceLengthMax}"),
            MenuState.None => Check(c.Name, c.ConversationsPerPeriod, c.Models, c.Market.ValuePerAnswer, c.Terms) is { } refusal
                ? refusal
                : Decision.Accept<MenuEvent>(drafted, SolvedBy(c)),
            MenuState.Solved s when s.Draft == drafted => Decision.NoChange,
            MenuState.Published s when s.Draft == drafted => Decision.NoChange,
            MenuState.Retired s when s.Draft == drafted => Decision.NoChange,
            MenuState.Discarded s when s.Draft == drafted => Decision.NoChange,
            _ => Decision.Refuse("menu_exists", $"{c.MenuId} was drafted with other content: a menu never changes, draft a new one"),
        };
    }

    public static string PlanId(DateTimeOffset draftedAt, string menuId, int capTokens) =>
        Ids.Derive(Ids.Plan, draftedAt, menuId, capTokens.ToString(CultureInfo.InvariantCulture));

    internal static string PlanName(int capTokens) => capTokens == 1 ? "1 token" : string.Create(CultureInfo.InvariantCulture, $"{capTokens:#,0} tokens");

    private static MenuSolved SolvedBy(DraftMenu c)
    {
        var s = c.Solution;
        return new(
            SnakeCase(s.ExitReason.ToString()),
            [.. s.Tiers.Select(t => new SolvedTier(
                PlanId(c.At, c.MenuId, t.CapTokens), PlanName(t.CapTokens), t.CapTokens,
                c.Currency.MinorUnit * t.PriceMinorUnitsPerPeriod!.Value, t.PricePerConversation, t.Share, t.UrgencyFromPerSecond, t.UrgencyToPerSecond))],
            s.Profit, s.Revenue, s.ServingCost, s.ProfitWithoutLimit,
            MenuCertificate.Of(s),
            c.Comparison is { } other
                ?
                [
                    .. other.OnePlan is { } onePlan ? [Alternative("one_plan", onePlan)] : Array.Empty<MenuAlternative>(), Alternative("flat_fee", other.FlatFee), Alternative("pay_per_token", other.PayPerToken),
                    Alternative("two_part_tariff", other.TwoPartTariff), Alternative("token_market", other.TokenMarket),
                ]
                : [],
            c.At)
        {
            Notices = [.. s.Notices, .. c.Comparison?.Notices ?? []],
            ConstraintCosts = c.ConstraintCosts.Count > 0 ? [.. c.ConstraintCosts.Select(MenuConstraintCost.Of)] : null,
        };
    }

    private static MenuAlternative Alternative(string kind, TariffOutcome o) => new(kind, o.Profit, o.Revenue, o.ServingCost, o.ShareServed, o.Tokens)
    {
        ConsumerSurplus = o.ConsumerSurplus,
    };

    internal static Refusal Invalid(string field, string detail) => Decision.Refuse("menu_invalid", $"{field} {detail}");

    internal static Refusal? WrongText(string field, string text) =>
        string.IsNullOrWhiteSpace(text) ? Invalid(field, "is missing")
        : text.Length > NameLengthMax ? Invalid(field, $"has {text.Length} characters, expected at most {NameLengthMax}")
        : text.Any(char.IsControl) ? Invalid(field, "has control characters")
        : null;

    internal static string SnakeCase(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}
