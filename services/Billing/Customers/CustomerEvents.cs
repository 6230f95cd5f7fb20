using System.Diagnostics;

namespace Billing.Customers;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
public abstract record CustomerEvent;

/// <param name="Reference">the seller's own key; never personal data, for an event cannot be erased</param>
public sealed record CustomerCreated(Currency Currency, string Reference, DateTimeOffset At) : CustomerEvent;

public abstract record CustomerState
{
    public sealed record None : CustomerState;
    public sealed record Known(Currency Currency, string Reference, DateTimeOffset CreatedAt) : CustomerState;

    public static CustomerState Initial { get; } = new None();

    public static CustomerState Evolve(CustomerState state, CustomerEvent e) => (state, e) switch
    {
        (None, CustomerCreated c) => new Known(c.Currency, c.Reference, c.At),
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}
