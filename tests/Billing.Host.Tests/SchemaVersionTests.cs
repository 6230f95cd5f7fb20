using Hosting;
using Marten;

namespace Billing.Host.Tests;

public sealed class SchemaVersionTests
{
    [Fact]
    public async Task A_schema_that_changes_gets_the_next_version()
    {
        await using var store = DocumentStore.For(options =>
        {
            options.Connection("Host=nowhere");
            EventStore.Configure(options, BillingStore.Schema);
            BillingStore.Configure(options);
        });
        PinnedSchema.MustHave("tests/Billing.Host.Tests/Pinned/schema-versions.txt", "BillingStore.SchemaVersion", BillingStore.SchemaVersion, EventSchema.DigestOf(store));
    }
}
