using Billing.Ledger;
using static Billing.Tests.Some;

namespace Billing.Tests.Ledger;

/// <summary>What the ledger reads from documents, lines as they may stand in them.</summary>
public sealed class InvoicedAmountsTests
{
    private static InvoicedAmounts Of(params (string Kind, string Product, long Micros)[] lines) => InvoicedAmounts.Of(
        $$"""
        {"period":{"start":"2026-01-01T00:00:00Z","end":"2026-02-01T00:00:00Z"},"lines":[{{string.Join(',', lines.Select(l =>
            FormattableString.Invariant($$"""{"kind":"{{l.Kind}}","description":"{{l.Kind}}"{{(l.Product.Length > 0 ? $",\"product\":\"{l.Product}\"" : "")}},"amountMicros":{{l.Micros}}}""")))}}]}
        """, null);

    public static TheoryData<(string, string, long)[], long, long, long> Documents => new()
    {
        { [("period_fee", "subscription", 5_000_000), ("overage", "usage", 7_500_000), ("tax", "", 2_380_000)], 5_000_000, 7_500_000, 2_380_000 },
        { [("period_fee", "subscription", 5_000_000), ("overage", "usage", 7_500_000), ("credit", "subscription", -2_000_000), ("credit", "usage", -3_000_000), ("tax", "", 1_430_000)], 5_000_000, 7_500_000, 1_430_000 },
        { [("period_fee", "subscription", 5_000_000), ("commitment", "subscription", 7_500_000), ("discount", "subscription", -1_250_000), ("prepaid_tokens", "usage", 0)], 11_250_000, 0, 0 },
        // Usage that was taken back late gives back its discount too.
        { [("period_fee", "subscription", 5_000_000), ("adjustment", "usage", -3_000_000), ("discount", "usage", 300_000)], 5_000_000, -2_700_000, 0 },
        // Rounding may leave a cent more off than there was.
        { [("period_fee", "subscription", 5_000_000), ("overage", "usage", 10_000), ("discount", "usage", -20_000)], 5_000_000, -10_000, 0 },
        // The first format does not name products.
        { [("period_fee", "", 5_000_000), ("included", "", 0), ("overage", "", 10_000)], 5_000_000, 10_000, 0 },
    };

    [Theory, MemberData(nameof(Documents))]
    public void Revenue_is_before_credit_and_after_discounts_by_product((string, string, long)[] lines, long subscription, long usage, long tax)
    {
        var amounts = Of(lines);
        long Revenue(LedgerAccount account) => amounts.Revenue.Where(r => r.Account == account).Sum(r => r.AmountMicros.Value);
        Assert.Equal((subscription, usage, tax), (Revenue(LedgerAccount.SubscriptionRevenue), Revenue(LedgerAccount.UsageRevenue), amounts.TaxMicros.Value));
        Assert.All(amounts.Revenue, r => Assert.Equal([new(Jan1, Feb1)], r.Served));
    }
}
