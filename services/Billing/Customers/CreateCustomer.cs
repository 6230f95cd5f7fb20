using System.Text;

namespace Billing.Customers;

public sealed record CreateCustomer(string Currency, string Reference, DateTimeOffset At);

public static class CreateCustomerDecision
{
    public const int ReferenceBytesMax = 128;

    public static Decision<CustomerEvent> Decide(CreateCustomer c, CustomerState state)
    {
        if (!Currency.TryParse(c.Currency, out var currency))
            return Decision.Refuse("currency_unknown", $"'{c.Currency}' is not an ISO 4217 currency code known here, such as USD, EUR or JPY");
        if (Encoding.UTF8.GetByteCount(c.Reference) > ReferenceBytesMax)
            return Decision.Refuse("reference_too_long", $"a reference has at most {ReferenceBytesMax} bytes: send your own key of the customer, nothing more");
        return state switch
        {
            CustomerState.None => Decision.Accept<CustomerEvent>(new CustomerCreated(currency, c.Reference, c.At)),
            CustomerState.Known k when k.Currency == currency && k.Reference == c.Reference => Decision.NoChange,
            _ => Decision.Refuse("customer_exists", "a customer with this id exists with another currency or reference; take another id"),
        };
    }
}
