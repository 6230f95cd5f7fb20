using Contracts.Messages;
using Usage.Host.Owners;

namespace Usage.Host.Tests;

public sealed class SnapshotTermsTests
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory, InlineData("active", true), InlineData("trialing", true), InlineData("cancelled", false), InlineData("a status of the future", false)]
    public void Only_a_status_that_is_known_to_allow_it_lets_a_subscription_generate(string status, bool active)
    {
        SubscriptionPeriod Month(int n) => new(Ids.Derive(Ids.Period, Jan1.AddMonths(n), "acme"), n, Jan1.AddMonths(n), Jan1.AddMonths(n + 1));
        var snapshot = new SubscriptionChanged(
            Ids.Derive(Ids.Subscription, Jan1, "acme"), 1, Ids.Derive(Ids.Customer, Jan1, "acme"), status, Ids.Derive(Ids.Menu, Jan1, "menu"), Ids.Derive(Ids.Plan, Jan1, "plan"),
            [], [], Month(0), Month(1), Jan1);
        Assert.Equal(active, SnapshotTerms.Of(snapshot).Active);
    }
}
