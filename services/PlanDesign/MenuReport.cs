using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using PlanDesign.Reports;
using PlanDesign.Screening;
using PlanDesign.Screening.Constraints;

namespace PlanDesign;

/// <summary>
/// What <c>billing menu solve --json</c> prints. Prices and profits are money per conversation, shares parts of the whole market, urgencies
/// 1/second. Tiers: largest cap first. Fields may be added, never renamed.
/// </summary>
public sealed record MenuReport(
    double Profit,
    double Revenue,
    double ServingCost,
    IReadOnlyList<TierReport> Tiers,
    IReadOnlyList<int> CapTokensByType,
    IReadOnlyList<double> PriceByType,
    CertificateReport Certificate,
    string ExitReason,
    double ProfitWithoutLimit,
    long Iterations,
    RoundingReport? Rounding,
    IReadOnlyList<string> Notices)
{
    /// <summary>What each rule that the menu keeps costs, and brings in customers served; null where no rule was set.</summary>
    public IReadOnlyList<ConstraintCost>? ConstraintCosts { get; init; }

    /// <summary>The same menu by customer and billing period; null where nobody said how many conversations that is.</summary>
    public PeriodReport? Period { get; init; }

    /// <remarks>A solution of refused input has no report: show its fault.</remarks>
    public static MenuReport Of(MenuSolution solution, IReadOnlyList<ConstraintCost>? constraintCosts = null, PeriodReport? period = null) => new(
        solution.Profit,
        solution.Revenue,
        solution.ServingCost,
        [.. solution.Tiers.Select(TierReport.Of)],
        solution.CapTokensByType,
        solution.PriceByType,
        new(solution.Certificate.UpperBound, solution.Certificate.Gap, solution.Certificate.MaxIncentiveViolation,
            solution.Certificate.MaxParticipationViolation, solution.Certificate.TokenBound, solution.Certificate.TypeBound,
            solution.Certificate.DensityUpperBound),
        Camel(solution.ExitReason.ToString()),
        solution.ProfitWithoutLimit,
        solution.Iterations,
        solution.Rounding is { } r ? new(r.Units.Unit, r.Units.ConversationsPerPeriod, Camel(r.Route.ToString()), r.ProfitAtExactPrices) { UpperBound = r.UpperBound, UpperBoundAtTypes = r.UpperBoundAtTypes } : null,
        solution.Notices)
    {
        ConstraintCosts = constraintCosts is { Count: > 0 } ? constraintCosts : null,
        Period = period,
    };

    public string ToJson(bool indented = false) => ReportJson.Write(this, indented);

    private static string Camel(string name) => JsonNamingPolicy.CamelCase.ConvertName(name);
}

/// <summary>How every report is written: camel case, nothing that is null, text as it is.</summary>
public static class ReportJson
{
    private static readonly JsonSerializerOptions Compact = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions Indented = new(Compact) { WriteIndented = true };

    public static string Write<T>(T report, bool indented = false) => JsonSerializer.Serialize(report, indented ? Indented : Compact);
}

public sealed record TierReport(
    int CapTokens, double Price, double Share, double UrgencyFrom, double UrgencyTo, long? PriceMinorUnitsPerPeriod)
{
    internal static TierReport Of(Tier tier) => new(
        tier.CapTokens, tier.PricePerConversation, tier.Share, tier.UrgencyFromPerSecond, tier.UrgencyToPerSecond, tier.PriceMinorUnitsPerPeriod);
}

public sealed record CertificateReport(
    double UpperBound, double Gap, double MaxIncentiveViolation, double MaxParticipationViolation, double TokenBound, double TypeBound,
    double DensityUpperBound);

public sealed record RoundingReport(double Unit, int ConversationsPerPeriod, string Route, double ProfitAtExactPrices)
{
    /// <summary>No menu in this unit, under these rules, earns more; absent where that is not known.</summary>
    public double? UpperBound { get; init; }

    /// <summary>None earns more from the types that stand for the market; the same where every customer's rate is that of a type.</summary>
    public double? UpperBoundAtTypes { get; init; }
}
