using System.Diagnostics;

namespace Billing.Invoices;

public abstract record InvoiceState
{
    public sealed record None : InvoiceState;

    /// <summary>Between the two events of one commit; nothing is ever decided on it.</summary>
    public sealed record Cut(InvoiceTermsCut Terms) : InvoiceState;

    /// <param name="Terms">null for an invoice that is older than terms</param>
    public sealed record Finalized(
        InvoiceTermsCut? Terms, InvoiceFinalized Invoice, ValueList<CreditNoteIssued> CreditNotes, ValueList<PaymentRecorded> Payments, ValueList<RefundRecorded> Refunds,
        DateTimeOffset? OverdueSince) : InvoiceState
    {
        public Micros CreditedMicros => Micros.Sum(CreditNotes.Select(c => c.TotalMicros));

        /// <summary>What came in less what went back.</summary>
        public Micros PaidMicros => Micros.Sum(Payments.Select(p => p.AmountMicros)) - Micros.Sum(Refunds.Select(r => r.AmountMicros));

        /// <summary>What is still to be paid; below zero, what is owed to the customer.</summary>
        public Micros OutstandingMicros => Invoice.TotalMicros - CreditedMicros - PaidMicros;
    }

    public sealed record Voided(Finalized Was, string Reason, DateTimeOffset At) : InvoiceState;

    public static InvoiceState Initial { get; } = new None();

    /// <summary>The word that people and programs read: finalized, overdue, paid or void; empty where there is no final invoice.</summary>
    public string Status => this switch
    {
        Finalized { OutstandingMicros.Value: <= 0 } => "paid",
        Finalized { OverdueSince: not null } => "overdue",
        Finalized => "finalized",
        Voided => "void",
        _ => "",
    };

    public static InvoiceState Evolve(InvoiceState state, InvoiceEvent e) => (state, e) switch
    {
        (None, InvoiceTermsCut c) => new Cut(c),
        (None, InvoiceFinalized f) => new Finalized(null, f, [], [], [], null),
        (Cut c, InvoiceFinalized f) => new Finalized(c.Terms, f, [], [], [], null),
        (Finalized s, InvoiceVoided v) => new Voided(s, v.Reason, v.At),
        (Finalized s, CreditNoteIssued c) => s with { CreditNotes = [.. s.CreditNotes, c] },
        (Finalized s, PaymentRecorded p) => s with { Payments = [.. s.Payments, p] },
        (Finalized s, RefundRecorded r) => s with { Refunds = [.. s.Refunds, r] },
        (Finalized s, InvoiceFellOverdue o) => s with { OverdueSince = o.At },
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}

/// <summary>One invoice per period: the id is derived, so that a second one collides.</summary>
public static class InvoiceIds
{
    public const string CreditNote = "cn";

    public static string Of(string periodId) => Ids.Derive(Ids.Invoice, Ids.TimeOf(Ids.Parse(Ids.Period, periodId)), periodId);
}
