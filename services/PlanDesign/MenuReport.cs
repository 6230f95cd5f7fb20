using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using PlanDesign.Screening;

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
    private static readonly JsonSerializerOptions Compact = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions Indented = new(Compact) { WriteIndented = true };

    /// <remarks>A solution of refused input has no report: show its fault.</remarks>
    public static MenuReport Of(MenuSolution solution) => new(
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
        solution.Rounding is { } r ? new(r.Units.Unit, r.Units.ConversationsPerPeriod, Camel(r.Route.ToString()), r.ProfitAtExactPrices) : null,
        solution.Notices);

    public string ToJson(bool indented = false) => JsonSerializer.Serialize(this, indented ? Indented : Compact);

    private static string Camel(string name) => JsonNamingPolicy.CamelCase.ConvertName(name);
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

public sealed record RoundingReport(double Unit, int ConversationsPerPeriod, string Route, double ProfitAtExactPrices);
