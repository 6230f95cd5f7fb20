namespace Verifier;

/// <summary>
/// Whether versions of streams are whole: each once, from 1, none left out. The order in which they come does not matter, and of what is whole one number is kept.
/// </summary>
internal sealed class StreamVersions
{
    /// <summary>Where the store notes what was rolled back: no stream of anything, and its versions count nothing.</summary>
    private const string RolledBack = "mt_tombstone";

    private readonly Dictionary<string, long> _through = [];
    private readonly SortedDictionary<string, SortedSet<long>> _ahead = new(StringComparer.Ordinal);

    /// <returns>false if it was here before</returns>
    public bool Add(string stream, long version)
    {
        if (stream == RolledBack) return true;
        var through = _through.GetValueOrDefault(stream);
        if (version <= through) return false;
        if (version > through + 1)
        {
            if (!_ahead.TryGetValue(stream, out var later)) _ahead[stream] = later = [];
            return later.Add(version);
        }
        through = version;
        if (_ahead.TryGetValue(stream, out var ahead))
        {
            while (ahead.Remove(through + 1)) through++;
            if (ahead.Count == 0) _ahead.Remove(stream);
        }
        _through[stream] = through;
        return true;
    }

    /// <summary>Of every stream with a gap the first version that is not there.</summary>
    public IEnumerable<(string Stream, long Version)> Missing => _ahead.Keys.Select(s => (s, _through.GetValueOrDefault(s) + 1));
}
