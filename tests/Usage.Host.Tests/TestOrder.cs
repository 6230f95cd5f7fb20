[assembly: TestCollectionOrderer("Usage.Host.Tests.TestOrder", "Usage.Host.Tests")]

namespace Usage.Host.Tests;

public sealed class TestOrder() : LongestFirst(
    typeof(When_the_broker_fails), typeof(When_the_database_fails), typeof(When_an_instance_is_frozen), typeof(Issues.What_the_tables_knew_and_the_owner_did_not),
    typeof(When_the_service_is_killed_under_caps), typeof(Issues.UsageThatWasLostOrCountedTwice), typeof(When_the_service_is_killed), typeof(When_an_import_is_broken_off));
