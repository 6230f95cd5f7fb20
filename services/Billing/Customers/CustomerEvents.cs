using System.Diagnostics;
using System.Text.Json.Serialization;

namespace Billing.Customers;

// Stored facts. A name here is a row in mt_events: add, never rename, never reshape.
public abstract record CustomerEvent : AttributedEvent;

/// <param name="Reference">the seller's own key; never personal data, for an event cannot be erased</param>
public sealed record CustomerCreated(Currency Currency, string Reference, DateTimeOffset At) : CustomerEvent;

/// <summary>Names and addresses were recorded, outside the history: here stands only what proves later which ones they were.</summary>
/// <param name="DetailsSha256">HMAC-SHA-256 under a salt that is erased with them, 64 hex digits</param>
public sealed record CustomerDetailsRecorded(string DetailsSha256, DateTimeOffset At) : CustomerEvent;

/// <param name="Country">ISO 3166-1, two letters</param>
/// <param name="Region">the part after the hyphen of ISO 3166-2 where a tax is regional, else empty</param>
public sealed record CustomerTaxSet(string Country, string Region, TaxStatus Status, DateTimeOffset At) : CustomerEvent;

/// <param name="TimeZone">IANA; holds for subscriptions that start after it</param>
public sealed record CustomerTimeZoneSet(string TimeZone, DateTimeOffset At) : CustomerEvent;

/// <summary>The details are gone, with their salt. Every invoice still replays: none of it was made from them.</summary>
public sealed record CustomerErased(DateTimeOffset At) : CustomerEvent;

/// <summary>Whom tax is charged to. The number of the identity is among the details; that it was checked is a fact.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<TaxStatus>))]
public enum TaxStatus
{
    [JsonStringEnumMemberName("consumer")] Consumer,
    [JsonStringEnumMemberName("business")] Business,
    [JsonStringEnumMemberName("exempt")] Exempt,
}

public abstract record CustomerState
{
    public sealed record None : CustomerState;

    /// <param name="TimeZone">empty until set</param>
    /// <param name="Tax">null until set</param>
    /// <param name="DetailsSha256">of the latest details; empty before there are any, and after they were erased</param>
    public sealed record Known(
        Currency Currency, string Reference, DateTimeOffset CreatedAt, string TimeZone = "", CustomerTaxSet? Tax = null, string DetailsSha256 = "",
        DateTimeOffset? ErasedAt = null) : CustomerState;

    public static CustomerState Initial { get; } = new None();

    public static CustomerState Evolve(CustomerState state, CustomerEvent e) => (state, e) switch
    {
        (None, CustomerCreated c) => new Known(c.Currency, c.Reference, c.At),
        (Known k, CustomerDetailsRecorded d) => k with { DetailsSha256 = d.DetailsSha256 },
        (Known k, CustomerTaxSet t) => k with { Tax = t },
        (Known k, CustomerTimeZoneSet z) => k with { TimeZone = z.TimeZone },
        (Known k, CustomerErased d) => k with { DetailsSha256 = "", ErasedAt = d.At },
        _ => throw new UnreachableException($"{e.GetType().Name} cannot follow {state.GetType().Name}: the stream is corrupt"),
    };
}
