using System.Text.Json.Serialization;
using Billing.Rating;

namespace Billing.Accounts;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
/// <summary>What was agreed with a customer beside the plan, and the credit that it has. Its own stream, one per customer.</summary>
public abstract record AccountEvent : AttributedEvent;

/// <summary>Every period that starts in [From, Until) costs at least this much before discounts.</summary>
/// <param name="SubscriptionId">a commitment is made for one subscription</param>
/// <param name="Until">null while it has no end</param>
public sealed record CommitmentAgreed(
    string CommitmentId, string SubscriptionId, Micros AmountMicros, DateTimeOffset From, DateTimeOffset? Until, DateTimeOffset At) : AccountEvent;

/// <summary>Periods that start in [From, Until) cost less.</summary>
/// <param name="SubscriptionId">empty for all of the customer's</param>
/// <param name="Scope">what it takes from</param>
/// <param name="Off">a percentage; null when it is an amount</param>
/// <param name="OffMicros">an amount for each period; null when it is a percentage</param>
public sealed record DiscountGranted(
    string DiscountId, string SubscriptionId, string Name, DiscountScope Scope, Percent? Off, Micros? OffMicros, DateTimeOffset From, DateTimeOffset? Until,
    DateTimeOffset At) : AccountEvent;

/// <summary>
/// A commitment or a discount does not hold for periods that start at <paramref name="Until"/> or later, and a grant of credit expires then. One that ends at once, with At, is taken back: no invoice that is not final by then uses what is left of it.
/// </summary>
public sealed record AgreementEnded(string AgreementId, DateTimeOffset Until, DateTimeOffset At) : AccountEvent;

/// <summary>Money that pays invoices before the customer does. A lower priority is used first, then what expires first.</summary>
/// <param name="ExpiresAt">null if it never does</param>
public sealed record MoneyCreditGranted(string GrantId, string Name, Micros AmountMicros, int Priority, DateTimeOffset? ExpiresAt, DateTimeOffset At) : AccountEvent;

/// <summary>Tokens beyond the cap that were paid for in advance.</summary>
/// <param name="Kinds">which kinds they cover</param>
public sealed record TokenCreditGranted(
    string GrantId, string Name, long Tokens, ValueList<TokenKind> Kinds, int Priority, DateTimeOffset? ExpiresAt, DateTimeOffset At) : AccountEvent;

/// <summary>An invoice became final and used credit. The amounts stand here, for they were taken from somebody's balance.</summary>
public sealed record CreditDrawn(string InvoiceId, ValueList<CreditDraw> Draws, DateTimeOffset At) : AccountEvent;

/// <summary>An invoice was voided: the credit that it had used is there again.</summary>
public sealed record CreditReturned(string InvoiceId, DateTimeOffset At) : AccountEvent;

/// <summary>How the customer is taxed from a date on, until another one is set.</summary>
/// <param name="Jurisdiction">whose rates apply, such as DE or US-CA</param>
/// <param name="Note">empty since notes stand with the customer's details, where they can be erased; before that it was printed</param>
/// <param name="From">null where it is older than dates, and holds for all that was invoiced after it</param>
/// <param name="NoteSha256">of the note under the customer's salt; null without one</param>
/// <param name="FromNow">true where no date was said, and From is when it was said; null where one was, and for what was said before this was kept</param>
public sealed record TaxTreatmentSet(
    string Jurisdiction, TaxTreatment Treatment, string Note, DateTimeOffset At,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] DateTimeOffset? From = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? NoteSha256 = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] bool? FromNow = null) : AccountEvent;

/// <param name="Tokens">0 for money</param>
/// <param name="AmountMicros">what it took off the invoice</param>
public sealed record CreditDraw(string GrantId, long Tokens, Micros AmountMicros);
