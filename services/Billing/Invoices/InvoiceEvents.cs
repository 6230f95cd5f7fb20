using System.Diagnostics;

namespace Billing.Invoices;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
public abstract record InvoiceEvent;

/// <summary>
/// The invoice has its number and will not change. The total stands here although it can be computed: it is what was demanded,
/// and the hash ties it to the document's bytes.
/// </summary>
/// <param name="DocumentSha256">of the canonical JSON, 64 hex digits</param>
public sealed record InvoiceFinalized(
    string Number, string PeriodId, string SubscriptionId, string CustomerId, Currency Currency, Micros TotalMicros, string DocumentSha256,
    DateTimeOffset At) : InvoiceEvent;

public abstract record InvoiceState
{
    public sealed record None : InvoiceState;
    public sealed record Finalized(string Number, Micros TotalMicros, string DocumentSha256, DateTimeOffset At) : InvoiceState;

    public static InvoiceState Initial { get; } = new None();

    public static InvoiceState Evolve(InvoiceState state, InvoiceEvent e) => (state, e) switch
    {
        (None, InvoiceFinalized f) => new Finalized(f.Number, f.TotalMicros, f.DocumentSha256, f.At),
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}

/// <summary>One invoice per period: the id is derived, so that a second one collides.</summary>
public static class InvoiceIds
{
    public static string Of(string periodId) => Ids.Derive(Ids.Invoice, Ids.TimeOf(Ids.Parse(Ids.Period, periodId)), periodId);
}
