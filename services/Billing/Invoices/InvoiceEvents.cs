using System.Text.Json.Serialization;
using Billing.Dunning;
using Billing.Rating;

namespace Billing.Invoices;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
public abstract record InvoiceEvent : AttributedEvent;

/// <summary>
/// Which of the seller's and the customer's terms the invoice is made by: the first so many events of their streams. It stands before
/// InvoiceFinalized; an invoice without it is older than such terms, and was made by its plan alone.
/// </summary>
/// <param name="DueAt">business time from which the invoice is overdue: the end, by UTC, of the day by which it is to be paid; of invoices of before that, a time in that day</param>
/// <param name="CustomerVersion">likewise of the customer, for its tax identity; null where invoices did not look at it yet</param>
/// <param name="RatingVersion">the rules it is rated by (RatingVersions); null is 2, of before there were others</param>
/// <param name="Earlier">by which account the late usage of closed periods is rated; null where there is none, and of before it was told from the invoice's own</param>
public sealed record InvoiceTermsCut(
    string AccountId, long AccountVersion, long SellerVersion, DateTimeOffset DueAt, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] long? CustomerVersion = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? RatingVersion = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ValueList<EarlierTerms>? Earlier = null) : InvoiceEvent
{
    /// <summary>
    /// By UTC, the last one on which a payment is in time: the one that DueAt ends. Invoices fell due in their last day once, whole days after they had become final. Where that was at midnight the two look alike, and the
    /// version says which it is: none that was released before version 6 and became final at midnight fell due at the end of a day. Of a store that was written in between, by code that was never released, such a one says a day later
    /// here than its document does.
    /// </summary>
    [JsonIgnore]
    public DateOnly LastDay => DateOnly.FromDateTime(((RatingVersion ?? 0) < RatingVersions.NotSubjectToVat && (DueAt - At).Ticks % TimeSpan.TicksPerDay == 0 ? DueAt : DueAt.AddTicks(-1)).UtcDateTime);
}

/// <param name="AccountVersion">events of the account by which the period was invoiced; of one that is not final, as the account stands</param>
/// <param name="Voided">true where that invoice was void then; null where it stood or there was none, and of before it was looked at</param>
public sealed record EarlierTerms(string PeriodId, long AccountVersion, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] bool? Voided = null);

/// <summary>
/// The invoice has its number and will not change. The total stands here although it can be computed: it is what was demanded,
/// and the hash ties it to the document's bytes.
/// </summary>
/// <param name="DocumentSha256">of the canonical JSON, 64 hex digits</param>
public sealed record InvoiceFinalized(
    string Number, string PeriodId, string SubscriptionId, string CustomerId, Currency Currency, Micros TotalMicros, string DocumentSha256,
    DateTimeOffset At) : InvoiceEvent;

/// <summary>The invoice is not demanded. It keeps its number, and its period is not invoiced again.</summary>
public sealed record InvoiceVoided(string Reason, DateTimeOffset At) : InvoiceEvent;

/// <summary>A part of the invoice is not demanded, or is owed back where it was paid. The amounts were granted to somebody, so they stand here.</summary>
/// <param name="Parts">one for each part of the invoice that is taxed alike, in its order; zeros included</param>
/// <param name="DocumentSha256">of the note's own canonical JSON</param>
public sealed record CreditNoteIssued(
    string CreditNoteId, string Number, string Reason, ValueList<TaxedPart> Parts, Micros TotalMicros, string DocumentSha256, DateTimeOffset At) : InvoiceEvent;

/// <summary>A payment provider says that money came in.</summary>
/// <param name="Reference">the provider's own id of the payment: the same one again is the same payment</param>
/// <param name="PaidAt">when, by the provider</param>
public sealed record PaymentRecorded(string Provider, string Reference, Micros AmountMicros, DateTimeOffset PaidAt, DateTimeOffset At) : InvoiceEvent;

/// <summary>A payment provider says that money went back.</summary>
public sealed record RefundRecorded(string Provider, string Reference, Micros AmountMicros, DateTimeOffset RefundedAt, DateTimeOffset At) : InvoiceEvent;

/// <summary>The invoice was not settled when it fell due.</summary>
public sealed record InvoiceFellOverdue(Micros OutstandingMicros, DateTimeOffset At) : InvoiceEvent;

/// <summary>It is dunned by the schedule that the seller had then: one that is set later changes nothing for it.</summary>
/// <param name="From">what the schedule's days count from</param>
public sealed record DunningStarted(DunningSchedule Schedule, DateTimeOffset From, DateTimeOffset At) : InvoiceEvent;

/// <summary>The customer is asked again.</summary>
/// <param name="Step">from 1</param>
/// <param name="DueAt">when it was due, which may be long before it was taken</param>
/// <param name="CountsFrom">what the schedule's days count from now on, where it was taken so late that what follows moves with it; null where nothing moves</param>
public sealed record DunningStepTaken(
    int Step, Micros OutstandingMicros, DateTimeOffset DueAt, DateTimeOffset At, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? CountsFrom = null) : InvoiceEvent;

/// <summary>Every step was taken in vain. What the final action changes elsewhere is written in the same commit.</summary>
/// <param name="FinalActionRefused">why it changed nothing there, as a code of contracts/README.md: subscription_trialing, cancellation_scheduled, subscription_cancelled; null where it did what it says, and for what was stored before this was kept</param>
public sealed record DunningExhausted(
    DunningFinalAction FinalAction, Micros OutstandingMicros, DateTimeOffset DueAt, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? FinalActionRefused = null) : InvoiceEvent;

/// <summary>Nobody is asked to pay it, until it is released.</summary>
public sealed record DunningHeld(string Reason, DateTimeOffset At) : InvoiceEvent;

public sealed record DunningReleased(DateTimeOffset At) : InvoiceEvent;

/// <summary>A payment provider says that it could not collect.</summary>
/// <param name="Reference">the provider's own id of the attempt</param>
/// <param name="FailedAt">when, by the provider</param>
public sealed record PaymentFailed(string Provider, string Reference, string Reason, DateTimeOffset FailedAt, DateTimeOffset At) : InvoiceEvent;

/// <summary>Nobody expects to be paid any more. What is paid or credited after all is first taken back from it.</summary>
public sealed record InvoiceWrittenOff(Micros AmountMicros, string Reason, DateTimeOffset At) : InvoiceEvent;

/// <summary>An amount before tax and its tax.</summary>
public sealed record TaxedPart(string Description, Micros NetMicros, Micros TaxMicros);

/// <summary>Events as they were stored, read as they are written now. The rows stay as they were sealed.</summary>
public static class InvoiceUpcasts
{
    /// <summary>Before events said who, these two said why already: somebody unknown did it, for that reason.</summary>
    public static InvoiceVoided Attributed(InvoiceVoided e) => e.By is null ? e with { By = new(Attribution.Unknown, e.Reason) } : e;

    /// <summary>Whatever the event is, as it is written now: every upcast there is, for who reads rows without Marten.</summary>
    public static object Attributed(object e) => e switch { InvoiceVoided v => Attributed(v), CreditNoteIssued c => Attributed(c), _ => e };

    public static CreditNoteIssued Attributed(CreditNoteIssued e) => e.By is null ? e with { By = new(Attribution.Unknown, e.Reason) } : e;
}
