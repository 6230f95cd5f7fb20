namespace Billing.Customers;

/// <summary>Notes which details were stored for a customer. The details themselves go into a row that can be erased, in the same transaction.</summary>
public sealed record RecordCustomerDetails(CustomerDetails Details, string DetailsSha256, DateTimeOffset At);

public static class RecordCustomerDetailsDecision
{
    public static Decision<CustomerEvent> Decide(RecordCustomerDetails c, CustomerState state) => state switch
    {
        CustomerState.None => Decision.Refuse("customer_unknown", "there is no such customer: create it first"),
        CustomerState.Known { ErasedAt: not null } => Decision.Refuse("customer_erased", "the details of this customer were erased: create a new customer"),
        _ when c.Details.ToUtf8().Length > CustomerDetails.TextBytesMax =>
            Decision.Refuse("details_too_long", $"all details together have at most {CustomerDetails.TextBytesMax} bytes"),
        _ when string.IsNullOrWhiteSpace(c.Details.Name) => Decision.Refuse("details_incomplete", "a name is needed: it is printed on invoices"),
        CustomerState.Known k when k.DetailsSha256 == c.DetailsSha256 => Decision.NoChange,
        _ => Decision.Accept<CustomerEvent>(new CustomerDetailsRecorded(c.DetailsSha256, c.At)),
    };
}
