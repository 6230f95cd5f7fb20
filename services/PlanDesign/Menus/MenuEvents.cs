using System.Text.Json.Serialization;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

namespace PlanDesign.Menus;

/// <summary>What happened to one menu. Stored for ever; a name or a field is never changed, only added.</summary>
public abstract record MenuEvent;

/// <summary>Somebody asked for the best menu of a market.</summary>
/// <param name="Market">One line of JSON in the form of <see cref="MarketJson"/>, to the last digit; money in major units of the currency.</param>
/// <param name="PlansMax">At most so many plans; null for no limit.</param>
/// <param name="ConversationsPerPeriod">A period's fee is the price per conversation × this.</param>
/// <param name="Models">The models that the plans may use; empty is any.</param>
public sealed record MenuDrafted(
    string Name, string Market, int? PlansMax, Currency Currency, int ConversationsPerPeriod, IReadOnlyList<string> Models, DateTimeOffset At) : MenuEvent
{
    /// <summary>The rules that the menu keeps, one line of JSON; null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Constraints { get; init; }

    /// <summary>Why it was drafted, where nobody but a watch on the market asked for it: sentences.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Evidence { get; init; }

    /// <summary>Windows and overage prices that are sold with the plans, one line of JSON (<see cref="SaleTerms"/>); null for none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Terms { get; init; }

    public bool Equals(MenuDrafted? other) =>
        other is not null && (Name, Market, PlansMax, Currency, ConversationsPerPeriod, At) == (other.Name, other.Market, other.PlansMax, other.Currency, other.ConversationsPerPeriod, other.At)
        && (Constraints, Evidence, Terms) == (other.Constraints, other.Evidence, other.Terms) && Models.SequenceEqual(other.Models);

    public override int GetHashCode() => HashCode.Combine(Name, Market, At);
}

/// <summary>The solver's answer, with what certifies it. Prices and profits are money per conversation in major units of the currency.</summary>
/// <param name="ExitReason">Why the solver stopped, snake_case.</param>
/// <param name="Tiers">Largest cap first; none when the market is not worth serving.</param>
/// <param name="ProfitUnlimited">What any number of plans at exact prices would earn.</param>
/// <param name="Alternatives">What other ways of charging would earn in the same market.</param>
public sealed record MenuSolved(
    string ExitReason,
    IReadOnlyList<SolvedTier> Tiers,
    double Profit,
    double Revenue,
    double ServingCost,
    double ProfitUnlimited,
    MenuCertificate Certificate,
    IReadOnlyList<MenuAlternative> Alternatives,
    DateTimeOffset At) : MenuEvent
{
    /// <summary>Sentences a person should read beside the figures; null in menus from before they were kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Notices { get; init; }

    /// <summary>What each rule costs and brings in, and <c>all</c> of them; null without rules, and in menus from before it was kept. A comparison, and so never signed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<MenuConstraintCost>? ConstraintCosts { get; init; }

    public bool Equals(MenuSolved? other) =>
        other is not null
        && (ExitReason, Profit, Revenue, ServingCost, ProfitUnlimited, Certificate, At)
            == (other.ExitReason, other.Profit, other.Revenue, other.ServingCost, other.ProfitUnlimited, other.Certificate, other.At)
        && Tiers.SequenceEqual(other.Tiers) && Alternatives.SequenceEqual(other.Alternatives) && (Notices ?? []).SequenceEqual(other.Notices ?? [])
        && (ConstraintCosts ?? []).SequenceEqual(other.ConstraintCosts ?? []);

    public override int GetHashCode() => HashCode.Combine(ExitReason, Profit, At);
}

/// <summary>One plan. The fee is what a period costs, a whole number of minor units; the price is the same per conversation.</summary>
/// <param name="PlanId">Derived from the draft's time, the menu and the cap.</param>
/// <param name="Share">Of the whole market.</param>
public sealed record SolvedTier(
    string PlanId, string Name, int CapTokens, Micros PeriodFee, double PricePerConversation, double Share, double UrgencyFromPerSecond, double UrgencyToPerSecond);

/// <summary>How far from the best the menu can be at most, and how much any type would gain by not doing what the menu means. Money per conversation.</summary>
public sealed record MenuCertificate(double UpperBound, double Gap, double MaxIncentiveViolation, double MaxParticipationViolation)
{
    /// <summary>The only value so far of <see cref="UpperBoundOf"/>.</summary>
    public const string ExactPrices = "exact_prices";

    /// <summary>
    /// What the upper bound, and with it the gap, is of: menus at exact prices, in the market itself where urgency is continuous, with the rules on caps and without
    /// those on prices. A menu that is the best in minor units may so have a gap. Null in menus from before this was said.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? UpperBoundOf { get; init; }

    /// <summary>No menu in minor units that keeps every rule earns more; null where that is not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? UpperBoundInMinorUnits { get; init; }

    /// <summary>The same from the types that stand for the market: what an exit reason of optimal was held against. Null where that is not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? UpperBoundAtTypes { get; init; }

    /// <summary>Bounds on menus at exact prices: of the market itself, and cheaper ones without limit on plans. Null in menus from before they were kept; never signed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? DensityUpperBound { get; init; }

    /// <inheritdoc cref="DensityUpperBound"/>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? TokenBound { get; init; }

    /// <inheritdoc cref="DensityUpperBound"/>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? TypeBound { get; init; }

    internal static MenuCertificate Of(MenuSolution s) =>
        new(s.Certificate.UpperBound, s.Certificate.Gap, s.Certificate.MaxIncentiveViolation, s.Certificate.MaxParticipationViolation)
        {
            UpperBoundOf = ExactPrices, UpperBoundInMinorUnits = s.Rounding?.UpperBound, UpperBoundAtTypes = s.Rounding?.UpperBoundAtTypes,
            DensityUpperBound = s.Certificate.DensityUpperBound, TokenBound = s.Certificate.TokenBound, TypeBound = s.Certificate.TypeBound,
        };
}

/// <param name="Kind">one_plan, flat_fee, pay_per_token, two_part_tariff or token_market</param>
/// <param name="Tokens">Generated per conversation of the whole market.</param>
public sealed record MenuAlternative(string Kind, double Profit, double Revenue, double ServingCost, double ShareServed, double Tokens)
{
    /// <summary>What customers keep, money per conversation of the whole market; null where it was not kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? ConsumerSurplus { get; init; }
}

/// <summary>What one rule costs and brings in, the others kept.</summary>
/// <param name="Constraint">Its field in <see cref="MenuDrafted.Constraints"/>, snake_case; or all, against no rule at all.</param>
/// <param name="ProfitCost">Money per conversation of the whole market in major units of the currency; null where no menu could be had without the rule.</param>
/// <param name="ShareServedGain">Customers served, of the whole market; negative if it drives some away. Null as the cost is.</param>
/// <param name="TokensGain">Tokens per conversation of the whole market. Null as the cost is.</param>
/// <param name="ExitReasonWithout">Why the solver stopped without the rule, snake_case; under it the solution says.</param>
/// <param name="IsAbout">One of the two menus is not proved the best of its kind.</param>
public sealed record MenuConstraintCost(string Constraint, double? ProfitCost, double? ShareServedGain, double? TokensGain, string ExitReasonWithout, bool IsAbout)
{
    /// <summary>Why the rule has no price; null where it has one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Unknown { get; init; }

    internal static MenuConstraintCost Of(ConstraintCost cost) => new(
        DraftMenuDecision.SnakeCase(cost.Constraint), cost.ProfitCost, cost.ShareServedGain, cost.TokensGain, DraftMenuDecision.SnakeCase(cost.ExitReasonWithout), cost.IsAbout)
    {
        Unknown = cost.Unknown,
    };
}

/// <summary>The menu is on sale, and its terms are final.</summary>
public sealed record MenuPublished(string Actor, DateTimeOffset At) : MenuEvent
{
    /// <summary>Over the bytes of <see cref="MenuDocument"/>; null in menus from before they were signed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MenuSignature? Signature { get; init; }
}

/// <summary>An Ed25519 signature (RFC 8032), base64. The second one covers the digests of the document's fields, so that an altered field can be named.</summary>
/// <param name="Form">Of the document that was signed: <see cref="MenuDocument.Form"/> at the time.</param>
public sealed record MenuSignature(int Form, string PublicKey, string Value, string DigestsValue);

/// <summary>The menu is off sale. Who subscribed keeps it.</summary>
public sealed record MenuRetired(string Actor, string Reason, DateTimeOffset At) : MenuEvent;

/// <summary>A draft that nobody will publish. Billing never heard of it, and is told nothing.</summary>
public sealed record MenuDiscarded(string Actor, string Reason, DateTimeOffset At) : MenuEvent;
