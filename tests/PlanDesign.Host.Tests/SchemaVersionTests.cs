using Hosting;
using Marten;

namespace PlanDesign.Host.Tests;

public sealed class SchemaVersionTests
{
    [Fact]
    public async Task A_schema_that_changes_gets_the_next_version()
    {
        await using var store = DocumentStore.For(options =>
        {
            options.Connection("Host=nowhere");
            EventStore.Configure(options, PlanDesignHost.Schema);
            PlanDesignHost.ConfigureStore(options);
        });
        PinnedSchema.MustHave("tests/PlanDesign.Host.Tests/Pinned/schema-versions.txt", "PlanDesignHost.SchemaVersion", PlanDesignHost.SchemaVersion, EventSchema.DigestOf(store));
    }
}
