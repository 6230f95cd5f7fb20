[assembly: TestCollectionOrderer("Cli.Tests.TestOrder", "Cli.Tests")]

namespace Cli.Tests;

public sealed class TestOrder() : LongestFirst(
    typeof(MenuCompareTests), typeof(ImportCommandTests), typeof(DunningCommandTests), typeof(BillingBenchTests), typeof(KeyCommandTests), typeof(AuditCommandTests), typeof(SubscriptionCommandTests));
