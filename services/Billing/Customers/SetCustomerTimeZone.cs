using Billing.Subscriptions;

namespace Billing.Customers;

/// <summary>Says by whose midnight a customer's periods turn. Subscriptions that run keep the one they started with.</summary>
public sealed record SetCustomerTimeZone(string TimeZone, DateTimeOffset At);

public static class SetCustomerTimeZoneDecision
{
    public static Decision<CustomerEvent> Decide(SetCustomerTimeZone c, CustomerState state) => state switch
    {
        CustomerState.None => Decision.Refuse("customer_unknown", "there is no such customer: create it first"),
        _ when !BillingCalendar.Knows(c.TimeZone) =>
            Decision.Refuse("time_zone_unknown", $"'{c.TimeZone}' is not an IANA time zone known here, such as Europe/Berlin or UTC"),
        CustomerState.Known k when k.TimeZone == c.TimeZone => Decision.NoChange,
        _ => Decision.Accept<CustomerEvent>(new CustomerTimeZoneSet(c.TimeZone, c.At)),
    };
}
