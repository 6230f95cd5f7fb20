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

    /// <summary>A market with as many types as may be is a mixture of so many laws at most; with fewer types, of more.</summary>
    internal const int LawsOfAllTypes = 5;

    /// <summary>Types of a market, at most. Default 2,000.</summary>
    [Range(1, MarketLimits.TypesMax, ErrorMessage = "PlanDesign__TypesMax must be from {1} to {2}")]
    public int TypesMax { get; init; } = 2_000;

    /// <summary>The longest cap considered, in tokens, at most. Default 32,768.</summary>
    [Range(1, MarketLimits.CapTokensMax, ErrorMessage = "PlanDesign__CapTokensMax must be from {1} to {2}")]
    public int CapTokensMax { get; init; } = 32_768;

    /// <summary>Observed conversations of an empirical market, at most. Default 1,000,000.</summary>
    [Range(1, MarketLimits.ObservationsMax, ErrorMessage = "PlanDesign__ObservationsMax must be from {1} to {2}")]
    public int ObservationsMax { get; init; } = 1_000_000;

    /// <summary>What a request with so many observations may take: an answer takes three bytes at most, an observed conversation without labels eight.</summary>
    internal int MessageBytesMax => RequestBytes + Math.Max(ObservationsMax, 0) * BytesPerObservation;

    /// <summary>Hours of one core.</summary>
    private const long CellsMost = 100_000_000_000;

    private const int RequestBytes = 4 << 20, BytesPerObservation = 8;

    /// <summary>
    /// Types × caps × (1 + plans), and what takes as long as so many: panels of answer times, steps in minor units, what a menu is compared with and the menus
    /// without each of its rules. The work of one call, at most. Default 1,500,000,000: half a minute to two minutes of one core, which <see cref="SolveSecondsMax"/> ends anyhow.
    /// </summary>
    [Range(1, CellsMost, ErrorMessage = "PlanDesign__CellsMax must be from {1} to {2}")]
    public long CellsMax { get; init; } = 1_500_000_000;

    /// <summary>
    /// Memory that one solve may take, by estimate, in megabytes: tables and the way back. What it allocates in passing, and comparing, were measured at up to 50 megabytes more. Default 256: with
    /// <see cref="SolvesAtOnceMax"/> of them a process needs a heap of 612, which is in a container of 1 GiB, and menus under rules on prices take some 200.
    /// </summary>
    [Range(1, 1_048_576, ErrorMessage = "PlanDesign__MemoryMegabytesMax must be from {1} to {2}")]
    public int MemoryMegabytesMax { get; init; } = 256;

    /// <summary>Seconds (real time) that one call may wait and compute, at most. Default 120.</summary>
    [Range(0.05, 3_600, ErrorMessage = "PlanDesign__SolveSecondsMax must be from {1} to {2}")]
    public double SolveSecondsMax { get; init; } = 120;

    /// <summary>Calls that wait for their turn to solve; more of them are refused. Default 16.</summary>
    [Range(0, 10_000, ErrorMessage = "PlanDesign__SolvesWaitingMax must be from {1} to {2}")]
    public int SolvesWaitingMax { get; init; } = 16;

    /// <summary>Bootstrap draws of one estimate, at most. Default 2,000.</summary>
    [Range(1, 100_000, ErrorMessage = "PlanDesign__DrawsMax must be from {1} to {2}")]
    public int DrawsMax { get; init; } = 2_000;

    /// <summary>The Ed25519 seed that menus are signed with, 64 hex digits. A secret. Without it Production refuses to publish; elsewhere a key is made at start and lives as long as the process.</summary>
    [RegularExpression("^([0-9a-fA-F]{64})?$", ErrorMessage = "PlanDesign__SigningKey must be 64 hex digits: make it with openssl rand -hex 32, and keep it secret")]
    public string SigningKey { get; init; } = "";

    /// <summary>Where usage answers gRPC, for the lengths of conversations. Default http://localhost:8181.</summary>
    [ServiceAddress(ErrorMessage = "PlanDesign__UsageAddress must be an http:// or https:// address such as http://usage:8081")]
    public string UsageAddress { get; init; } = "http://localhost:8181";

    /// <summary>Where billing answers gRPC, for how many customers chose which plan. Default http://localhost:8281.</summary>
    [ServiceAddress(ErrorMessage = "PlanDesign__BillingAddress must be an http:// or https:// address such as http://billing:8081")]
    public string BillingAddress { get; init; } = "http://localhost:8281";

    /// <summary>Solves that run at the same time; more of them wait. Default 2.</summary>
    [Range(1, 1024, ErrorMessage = "PlanDesign__SolvesAtOnceMax must be from {1} to {2}")]
    public int SolvesAtOnceMax { get; init; } = 2;
}
