namespace Verifier;

/// <summary>Whether versions of streams are whole: each once, from 1, none left out.</summary>
internal sealed class StreamVersions
{
    /// <summary>Where the store notes what was rolled back: no stream of anything, and its versions count nothing.</summary>
    private const string RolledBack = "mt_tombstone";

    private readonly GaplessCounts _counts = new();

    /// <returns>false if it was here before</returns>
    public bool Add(string stream, long version) => stream == RolledBack || _counts.Add(stream, version);

    /// <summary>Of every stream with a gap the first version that is not there.</summary>
    public IEnumerable<(string Stream, long Version)> Missing => _counts.Gaps.DistinctBy(g => g.Of).Select(g => (g.Of, g.From));
}
