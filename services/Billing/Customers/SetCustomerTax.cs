namespace Billing.Customers;

/// <summary>Says where a customer is taxed and as what. It holds for periods that end from now on, unless a treatment is agreed on the account: that goes before it.</summary>
public sealed record SetCustomerTax(string Country, string Region, TaxStatus Status, DateTimeOffset At);

public static class SetCustomerTaxDecision
{
    private const int RegionLettersMax = 3;

    public static Decision<CustomerEvent> Decide(SetCustomerTax c, CustomerState state) => state switch
    {
        CustomerState.None => Decision.Refuse("customer_unknown", "there is no such customer: create it first"),
        _ when !Countries.Has(c.Country) =>
            Decision.Refuse("country_invalid", $"'{c.Country}' is not a country of ISO 3166-1 in two capital letters, such as DE or GB"),
        _ when c.Region.Length > RegionLettersMax || !c.Region.All(x => char.IsAsciiLetterUpper(x) || char.IsAsciiDigit(x)) =>
            Decision.Refuse("country_invalid", $"'{c.Region}' is not a region of ISO 3166-2 without its country, such as CA for US-CA"),
        CustomerState.Known { Tax: { } t } when (t.Country, t.Region, t.Status) == (c.Country, c.Region, c.Status) => Decision.NoChange,
        _ => Decision.Accept<CustomerEvent>(new CustomerTaxSet(c.Country, c.Region, c.Status, c.At)),
    };
}
