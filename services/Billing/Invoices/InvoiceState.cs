using System.Diagnostics;
using Billing.Dunning;

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

        /// <summary>What was written off, and not paid or credited since.</summary>
        public Micros WrittenOffMicros { get; init; }

        /// <summary>Null until it is dunned.</summary>
        public DunningProgress? Dunning { get; init; }

        /// <summary>Null while nobody holds it.</summary>
        public DunningHeld? Hold { get; init; }

        public ValueList<PaymentFailed> Failures { get; init; } = [];

        /// <summary>What is still to be paid; below zero, what is owed to the customer.</summary>
        public Micros OutstandingMicros => Invoice.TotalMicros - CreditedMicros - PaidMicros - WrittenOffMicros;

        public DunningStatus DunningStatus => this switch
        {
            { Dunning.ExhaustedAt: not null, OutstandingMicros.Value: > 0 } or { OutstandingMicros.Value: <= 0, WrittenOffMicros.Value: > 0 } => DunningStatus.Exhausted,
            { OutstandingMicros.Value: <= 0 } => SettledDunning,
            { Hold: not null } => DunningStatus.OnHold,
            { OverdueSince: null } => DunningStatus.Current,
            { Dunning.StepsTaken: > 0 } => DunningStatus.InDunning,
            _ => DunningStatus.Overdue,
        };

        /// <summary>Where it stands when nothing is left to pay, or it is void.</summary>
        public DunningStatus SettledDunning => OverdueSince is null ? DunningStatus.Current : DunningStatus.Resolved;

        /// <summary>With something paid or credited: what is demanded is settled by it first, and what is more takes back what was written off.</summary>
        internal Finalized Less(DateTimeOffset at)
        {
            var beyond = OutstandingMicros < Micros.Zero ? -OutstandingMicros : Micros.Zero;
            return (this with { WrittenOffMicros = WrittenOffMicros > beyond ? WrittenOffMicros - beyond : Micros.Zero }).Counting(at);
        }

        /// <summary>The time of dunning counts while something is left to pay and nobody holds it.</summary>
        internal Finalized Counting(DateTimeOffset at) => this with { Dunning = Dunning?.Counting(Hold is null && OutstandingMicros > Micros.Zero, at) };
    }

    public sealed record Voided(Finalized Was, string Reason, DateTimeOffset At) : InvoiceState;

    public static InvoiceState Initial { get; } = new None();

    /// <summary>The word that people and programs read: finalized, overdue, paid, uncollectible or void; empty where there is no final invoice.</summary>
    public string Status => this switch
    {
        Finalized { OutstandingMicros.Value: <= 0, WrittenOffMicros.Value: > 0 } => "uncollectible",
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
        (Finalized s, InvoiceVoided v) => new Voided(s with { Dunning = s.Dunning?.Counting(false, v.At) }, v.Reason, v.At),
        (Finalized s, CreditNoteIssued c) => (s with { CreditNotes = [.. s.CreditNotes, c] }).Less(c.At),
        (Finalized s, PaymentRecorded p) => (s with { Payments = [.. s.Payments, p] }).Less(p.At),
        (Finalized s, RefundRecorded r) => (s with { Refunds = [.. s.Refunds, r] }).Counting(r.At),
        (Finalized s, InvoiceFellOverdue o) => s with { OverdueSince = o.At },
        (Finalized s, PaymentFailed f) => s with { Failures = [.. s.Failures, f] },
        (Finalized s, InvoiceWrittenOff w) => (s with { WrittenOffMicros = s.WrittenOffMicros + w.AmountMicros }).Counting(w.At),
        // What was held before it was noticed to be late has waited since then.
        (Finalized s, DunningStarted d) => (s with { Dunning = new(d.Schedule, d.From) }).Counting(s.Hold?.At > d.From ? s.Hold.At : d.From),
        (Finalized { Dunning: { } d } s, DunningStepTaken t) => s with { Dunning = d with { StepsTaken = t.Step, From = t.CountsFrom ?? d.From } },
        (Finalized { Dunning: { } d } s, DunningExhausted x) => s with { Dunning = d with { ExhaustedAt = x.At, FinalActionRefused = x.FinalActionRefused } },
        (Finalized s, DunningHeld h) => (s with { Hold = h }).Counting(h.At),
        (Finalized s, DunningReleased r) => (s with { Hold = null }).Counting(r.At),
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}

/// <summary>One invoice per period: the id is derived, so that a second one collides.</summary>
public static class InvoiceIds
{
    public const string CreditNote = "cn";

    public static string Of(string periodId) => Ids.Derive(Ids.Invoice, Ids.TimeOf(Ids.Parse(Ids.Period, periodId)), periodId);
}
