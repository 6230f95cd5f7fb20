using System.ComponentModel.DataAnnotations;

namespace PlanDesign.Host;

/// <summary>Plan design's own settings. Section "PlanDesign". The limits keep one request from taking the machine.</summary>
public sealed class PlanDesignOptions
{
    public const string Section = "PlanDesign";

    /// <summary>How to reach the schema plan_design as its owner. No default.</summary>
    [PostgresConnectionString]
    [Display(Name = "PlanDesign__Postgres")]
    public string Postgres { get; init; } = "";

    /// <summary>Types of a market, at most. Default 2,000.</summary>
    [Range(1, MarketLimits.TypesMax, ErrorMessage = "PlanDesign__TypesMax must be from {1} to {2}")]
    public int TypesMax { get; init; } = 2_000;

    /// <summary>The longest cap considered, in tokens, at most. Default 32,768.</summary>
    [Range(1, MarketLimits.CapTokensMax, ErrorMessage = "PlanDesign__CapTokensMax must be from {1} to {2}")]
    public int CapTokensMax { get; init; } = 32_768;

    /// <summary>Observed conversations of an empirical market, at most. Default 1,000,000.</summary>
    [Range(1, MarketLimits.ObservationsMax, ErrorMessage = "PlanDesign__ObservationsMax must be from {1} to {2}")]
    public int ObservationsMax { get; init; } = 1_000_000;

    /// <summary>Types × caps × (1 + plans), at most: the work of one solve. Default 100,000,000, some seconds.</summary>
    [Range(1, MarketLimits.CellsMax, ErrorMessage = "PlanDesign__CellsMax must be from {1} to {2}")]
    public long CellsMax { get; init; } = 100_000_000;

    /// <summary>Solves that run at the same time; more of them wait. Default 2.</summary>
    [Range(1, 1024, ErrorMessage = "PlanDesign__SolvesAtOnceMax must be from {1} to {2}")]
    public int SolvesAtOnceMax { get; init; } = 2;
}
