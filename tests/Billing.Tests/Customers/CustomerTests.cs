using Billing.Customers;
using static Billing.Tests.Some;

namespace Billing.Tests.Customers;

public sealed class CustomerTests
{
    private static readonly byte[] Salt = [.. Enumerable.Range(0, CustomerDetails.SaltBytes).Select(i => (byte)i)];
    private static readonly CustomerDetails Acme = new("Acme GmbH", "billing@acme.example", ["Ringstraße 1"], "10115", "Berlin", "Germany", "DE123456789");
    private static readonly CustomerCreated Created = new(Currency.Parse("USD"), "acme", Jan1);
    private static readonly CustomerDetailsRecorded Recorded = new(Acme.Sha256(Salt), Jan1);

    private static Scenario<CustomerState, CustomerEvent> Scenario => new(CustomerState.Initial, CustomerState.Evolve);

    private static Decision<CustomerEvent> Create(string currency, string reference, CustomerState s) => CreateCustomerDecision.Decide(new(currency, reference, Jan1), s);
    private static Decision<CustomerEvent> Record(CustomerDetails details, CustomerState s) => RecordCustomerDetailsDecision.Decide(new(details, details.Sha256(Salt), Jan1), s);
    private static Decision<CustomerEvent> Tax(string country, string region, CustomerState s) => SetCustomerTaxDecision.Decide(new(country, region, TaxStatus.Business, Jan1), s);
    private static Decision<CustomerEvent> Zone(string zone, CustomerState s) => SetCustomerTimeZoneDecision.Decide(new(zone, Jan1), s);
    private static Decision<CustomerEvent> Erase(CustomerState s, params string[] running) => EraseCustomerDecision.Decide(new(running, [], Feb1), s);

    [Fact]
    public void A_customer_is_created_once_and_not_changed()
    {
        Scenario.When(s => Create("USD", "acme", s)).Then(Created);
        Scenario.Given(Created).When(s => Create("EUR", "acme", s)).ThenRefused("customer_exists");
        Scenario.When(s => Create("usd", "acme", s)).ThenRefused("currency_unknown");
        Scenario.When(s => Create("USD", new string('ä', 65), s)).ThenRefused("reference_too_long");
    }

    [Fact]
    public void Of_details_the_history_holds_a_salted_hash()
    {
        Scenario.Given(Created).When(s => Record(Acme, s)).Then(Recorded);
        Assert.NotEqual(Acme.Sha256(Salt), Acme.Sha256([.. Salt.Reverse()]));
        Assert.Equal(Acme, CustomerDetails.Parse(System.Text.Encoding.UTF8.GetString(Acme.ToUtf8())));
    }

    [Fact]
    public void Details_need_a_name_and_have_a_bound()
    {
        Scenario.When(s => Record(Acme, s)).ThenRefused("customer_unknown");
        Scenario.Given(Created).When(s => Record(Acme with { Name = " " }, s)).ThenRefused("details_incomplete");
        Scenario.Given(Created).When(s => Record(Acme with { City = new string('x', 5_000) }, s)).ThenRefused("details_too_long");
    }

    [Fact]
    public void Where_a_customer_is_taxed_is_a_fact()
    {
        Scenario.Given(Created).When(s => Tax("US", "CA", s)).Then(new CustomerTaxSet("US", "CA", TaxStatus.Business, Jan1));
        Scenario.Given(Created).When(s => Tax("Germany", "", s)).ThenRefused("country_invalid");
        Scenario.Given(Created).When(s => Tax("UK", "", s)).ThenRefused("country_invalid");
        Scenario.Given(Created).When(s => Tax("US", "US-CA", s)).ThenRefused("country_invalid");
        Scenario.When(s => Tax("DE", "", s)).ThenRefused("customer_unknown");
    }

    [Fact]
    public void A_time_zone_is_one_of_IANA()
    {
        Scenario.Given(Created).When(s => Zone("America/New_York", s)).Then(new CustomerTimeZoneSet("America/New_York", Jan1));
        Scenario.Given(Created).When(s => Zone("Eastern Standard Time", s)).ThenRefused("time_zone_unknown");
        Scenario.Given(Created).When(s => Zone("", s)).ThenRefused("time_zone_unknown");
    }

    [Fact]
    public void A_customer_is_erased_when_nothing_of_it_runs()
    {
        Scenario.Given(Created, Recorded).When(s => Erase(s)).Then(new CustomerErased(Feb1));
        Scenario.Given(Created, Recorded).When(s => Erase(s, Subscription)).ThenRefused("customer_subscribed");
        Scenario.Given(Created, Recorded, new CustomerErased(Feb1)).When(s => Record(Acme, s)).ThenRefused("customer_erased");
    }
}
