namespace Verifier;

/// <summary>
/// Whether counts are whole: each once, from where it begins, none left out. The order in which they come does not matter, and of what is whole one number is kept.
/// </summary>
internal sealed class GaplessCounts
{
    private readonly Dictionary<string, long> _through = [];
    private readonly SortedDictionary<string, SortedSet<long>> _ahead = new(StringComparer.Ordinal);

    /// <returns>false if it was here before, or is not after where the counts begin</returns>
    public bool Add(string of, long count)
    {
        var through = _through.GetValueOrDefault(of);
        if (count <= through) return false;
        if (count > through + 1)
        {
            if (!_ahead.TryGetValue(of, out var later)) _ahead[of] = later = [];
            return later.Add(count);
        }
        through = count;
        if (_ahead.TryGetValue(of, out var ahead))
        {
            while (ahead.Remove(through + 1)) through++;
            if (ahead.Count == 0) _ahead.Remove(of);
        }
        _through[of] = through;
        return true;
    }

    /// <summary>The first count is the one after this, and not 1.</summary>
    public void BeginAfter(string of, long last) => _through[of] = last;

    /// <summary>What is missing before something that is there, first and last.</summary>
    public IEnumerable<(string Of, long From, long To)> Gaps
    {
        get
        {
            foreach (var (of, ahead) in _ahead)
            {
                var next = _through.GetValueOrDefault(of) + 1;
                foreach (var count in ahead)
                {
                    if (count > next) yield return (of, next, count - 1);
                    next = count + 1;
                }
            }
        }
    }
}
