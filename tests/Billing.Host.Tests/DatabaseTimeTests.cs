using Hosting;

namespace Billing.Host.Tests;

public sealed class DatabaseTimeTests
{
    [Theory]
    [InlineData(0, false), InlineData(60, false), InlineData(61, true), InlineData(31 * 86_400, true), InlineData(-86_400, false)]
    public void Nothing_is_due_by_a_clock_that_is_ahead_of_the_databases(int secondsAhead, bool refused)
    {
        var shared = BillingApp.Jan1;
        if (!refused) Assert.Equal(shared.AddSeconds(secondsAhead), DatabaseTime.Checked(shared.AddSeconds(secondsAhead), shared));
        else Assert.Equal("clock_ahead", Assert.Throws<RefusedException>(() => DatabaseTime.Checked(shared.AddSeconds(secondsAhead), shared)).Refusal.Code);
    }
}
