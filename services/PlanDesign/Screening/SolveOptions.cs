using PlanDesign.Screening.Constraints;

namespace PlanDesign.Screening;

/// <summary>What is asked of the solver.</summary>
/// <param name="PlansMax">At most so many plans; null for as many as are worth having.</param>
/// <param name="MinorUnits">The unit in which prices must be whole; null for exact prices.</param>
public sealed record SolveOptions(int? PlansMax = null, MinorUnits? MinorUnits = null)
{
    /// <summary>Rules that the menu must keep; null for none.</summary>
    public MenuConstraints? Constraints { get; init; }

    /// <summary>The first thing wrong with these options, or null.</summary>
    public InputFault? Check() =>
        PlansMax is < 1 or > MarketLimits.PlansMax
            ? new("plansMax", $"is {PlansMax}, expected 1 to {MarketLimits.PlansMax} plans, or none for no limit")
            : MinorUnits?.Check() ?? Constraints?.Check(MinorUnits);
}

/// <summary>
/// The smallest amount an invoice can show (0.01 for dollars) and how many conversations a period's fee covers. The unit is that of
/// the amount invoiced, price × conversations, not of the price per conversation.
/// </summary>
/// <param name="Unit">In the money of the market's value and cost.</param>
public sealed record MinorUnits(double Unit, int ConversationsPerPeriod)
{
    public const int ConversationsPerPeriodMax = 1_000_000_000;

    /// <summary>A fee of more units than this cannot be told apart from its neighbours in binary fractions.</summary>
    public const double UnitsPerFeeMax = 1e12;

    /// <summary>The step in which a price per conversation can move.</summary>
    public double UnitPerConversation => Unit / ConversationsPerPeriod;

    public InputFault? Check() =>
        InputFault.Range("minorUnits.unit", Unit, 0, MarketLimits.MoneyMax, "of money")
        ?? (ConversationsPerPeriod is > 0 and <= ConversationsPerPeriodMax ? null
            : new("minorUnits.conversationsPerPeriod", $"is {ConversationsPerPeriod}, expected 1 to {ConversationsPerPeriodMax}"));
}
