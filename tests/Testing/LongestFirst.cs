using Xunit.Abstractions;

namespace Testing;

/// <summary>Begins with the classes that take longest: what begins last is waited for alone, on a machine that has nothing else to do by then. A project of tests derives from it and names them.</summary>
public abstract class LongestFirst(params Type[] longest) : ITestCollectionOrderer
{
    // A class that says nothing of a collection is one, and is called so.
    private readonly string[] _longest = [.. longest.Select(type => $"Test collection for {type.FullName} ")];

    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(collection => Array.FindIndex(_longest, name => collection.DisplayName.StartsWith(name, StringComparison.Ordinal)) is >= 0 and var place ? place : _longest.Length)
            .ThenBy(collection => collection.UniqueID);
}
