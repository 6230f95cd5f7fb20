using Xunit.Abstractions;

[assembly: TestCollectionOrderer("Usage.Host.Tests.LongestFirst", "Usage.Host.Tests")]

namespace Usage.Host.Tests;

/// <summary>Begins with the classes that take longest: what begins last is waited for alone, on a machine that has nothing else to do by then.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest =
    [
        Named<When_the_broker_fails>(), Named<When_the_database_fails>(), Named<When_an_instance_is_frozen>(), Named<Issues.What_the_tables_knew_and_the_owner_did_not>(),
        Named<When_the_service_is_killed_under_caps>(), Named<Issues.UsageThatWasLostOrCountedTwice>(), Named<When_the_service_is_killed>(), Named<When_an_import_is_broken_off>(),
    ];

    // A class that says nothing of a collection is one, and is called so.
    private static string Named<T>() => $"Test collection for {typeof(T).FullName} ";

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(collection => Array.FindIndex(Longest, name => collection.DisplayName.StartsWith(name, StringComparison.Ordinal)) is >= 0 and var place ? place : Longest.Length)
            .ThenBy(collection => collection.UniqueID);
}
