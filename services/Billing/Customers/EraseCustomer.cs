namespace Billing.Customers;

/// <summary>Forgets who a customer is. What was used, billed and paid stays, under an id that names nobody.</summary>
/// <param name="Running">subscriptions of the customer that are not cancelled</param>
/// <param name="ToInvoice">periods of the customer of which something will be on an invoice, which needs its name, and is on no final one yet</param>
public sealed record EraseCustomer(IReadOnlyList<string> Running, IReadOnlyList<string> ToInvoice, DateTimeOffset At);

public static class EraseCustomerDecision
{
    public static Decision<CustomerEvent> Decide(EraseCustomer c, CustomerState state) => state switch
    {
        CustomerState.None => Decision.Refuse("customer_unknown", "there is no such customer: check the id; ListCustomers lists them"),
        CustomerState.Known { ErasedAt: not null } => Decision.NoChange,
        _ when c.Running.Count > 0 => Decision.Refuse("customer_subscribed", $"the customer still has {c.Running[0]}: cancel its subscriptions first"),
        _ when c.ToInvoice.Count > 0 => Decision.Refuse("customer_to_invoice", $"not all of {c.ToInvoice[0]} is on a final invoice yet, and an invoice names the customer: erase it when it is"),
        _ => Decision.Accept<CustomerEvent>(new CustomerErased(c.At)),
    };
}
