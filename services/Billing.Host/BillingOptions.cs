using System.ComponentModel.DataAnnotations;

namespace Billing.Host;

/// <summary>Section "Billing".</summary>
public sealed class BillingOptions
{
    public const string Section = "Billing";

    /// <summary>Connection string of the role that owns the schema billing.</summary>
    [PostgresConnectionString]
    [Display(Name = "Billing__Postgres")]
    public string Postgres { get; init; } = "Host=localhost;Database=billing;Username=billing";

    /// <summary>Connection string of a role that may only read, for audits. Default: the one above, in read-only transactions.</summary>
    [PostgresConnectionString]
    [Display(Name = "Billing__AuditPostgres")]
    public string? AuditPostgres { get; init; }

    /// <summary>Where usage answers gRPC. Default http://localhost:8181.</summary>
    [ServiceAddress(ErrorMessage = "Billing__UsageAddress must be an http:// or https:// address such as http://usage:8081")]
    public string UsageAddress { get; init; } = "http://localhost:8181";

    /// <summary>Minutes after a period's end before it closes, for usage that is still on its way. Default 60, at most 7 days.</summary>
    [Range(0, 10_080, ErrorMessage = "Billing__GraceMinutes must be from 0 to 10080")]
    public int GraceMinutes { get; init; } = 60;

    /// <summary>What invoice numbers start with. Default INV. Each series counts from 1 without gaps.</summary>
    [RegularExpression("^[A-Z0-9]{1,12}$", ErrorMessage = "Billing__InvoiceSeries must be 1 to 12 of A-Z and 0-9")]
    public string InvoiceSeries { get; init; } = "INV";

    /// <summary>What credit note numbers start with. Default CN.</summary>
    [RegularExpression("^[A-Z0-9]{1,12}$", ErrorMessage = "Billing__CreditNoteSeries must be 1 to 12 of A-Z and 0-9")]
    public string CreditNoteSeries { get; init; } = "CN";

    /// <summary>Whether invoices of closed periods become final by "schedule" (default), or by "hand" only, with FinalizeInvoice.</summary>
    [RegularExpression("^(schedule|hand)$", ErrorMessage = "Billing__FinalizeBy must be schedule or hand")]
    public string FinalizeBy { get; init; } = "schedule";

    /// <summary>Hours (business time) from a period's close to its invoice becoming final by schedule, for somebody to look at the draft. Default 0, at most 30 days.</summary>
    [Range(0, 720, ErrorMessage = "Billing__FinalizeAfterHours must be from 0 to 720")]
    public int FinalizeAfterHours { get; init; }

    /// <summary>
    /// Whether every call that changes something is refused unless it says who orders it and why. Default false: administrative ones are (<see cref="AdministrativeCalls"/>),
    /// and in all others who says nothing is recorded by the name of his API key, and without one as anonymous.
    /// </summary>
    public bool RequireActor { get; init; }

    /// <summary>A TrueType file that PDF documents are set in. Default: the first of DejaVu Sans and Liberation Sans that is installed, else Helvetica, which lacks most letters beyond English.</summary>
    public string? DocumentFont { get; init; }

    /// <summary>Likewise for bold type, beside DocumentFont. Default: DocumentFont itself; where none is named, the bold face of the family that is found.</summary>
    public string? DocumentFontBold { get; init; }

    /// <summary>Periods turned, closed or invoiced in one transaction. Default 100, at most 1,000.</summary>
    [Range(1, 1_000, ErrorMessage = "Billing__PeriodBatchMax must be from 1 to 1000")]
    public int PeriodBatchMax { get; init; } = 100;

    /// <summary>Reports asked of usage in one call when a gap is filled. Default 500, at most 10,000.</summary>
    [Range(1, 10_000, ErrorMessage = "Billing__FetchReportsMax must be from 1 to 10000")]
    public int FetchReportsMax { get; init; } = 500;

    /// <summary>Seconds (real time) between two looks for reports that never arrived. Default 10, at most an hour.</summary>
    [Range(0.05, 3_600, ErrorMessage = "Billing__GapPollSeconds must be from 0.05 to 3600")]
    public double GapPollSeconds { get; init; } = 10;

    /// <summary>Seconds (real time) between two looks for periods that are due. Default 1, at most an hour.</summary>
    [Range(0.05, 3_600, ErrorMessage = "Billing__DuePollSeconds must be from 0.05 to 3600")]
    public double DuePollSeconds { get; init; } = 1;

    internal const string ByHand = "hand";

    internal TimeSpan Grace => TimeSpan.FromMinutes(GraceMinutes);
}
