namespace Billing.Host.Tests;

public sealed class ProviderReferenceTests
{
    [Fact]
    public void No_two_payments_of_providers_have_one_key()
    {
        string[] parts = ["a", "b", "c", "a/b", "b/c", "a/b/c", "/a", "a/", "/", "1/a", "/1/a", "3/a/b", "/3/a/b"];
        var keys = (from provider in parts from reference in parts select ProviderReference.Payment(provider, reference, "inv_a").Id).ToArray();
        Assert.Equal(keys.Length, keys.Distinct().Count());
    }

    [Fact]
    public void What_was_stored_under_a_plain_name_is_found_under_it()
    {
        Assert.Equal("payment/stripe/pi_1/2", ProviderReference.Payment("stripe", "pi_1/2", "inv_a").Id);
        Assert.Equal("failure/stripe/pi_1", ProviderReference.Failure("stripe", "pi_1", "inv_a").Id);
        Assert.Equal("refund/bank/7", ProviderReference.Refund("bank", "7", "inv_a").Id);
    }
}
