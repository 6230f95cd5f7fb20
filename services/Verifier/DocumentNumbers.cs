using System.Globalization;

namespace Verifier;

/// <summary>
/// Numbers of invoices and credit notes: a series, a hyphen and a count of at least six digits. Each is given once, and those of a series go up without a gap from 1, or from the one after the last that another system gave.
/// Where the last ones were cut off nothing here can say so: a head of the seals that was noted does.
/// </summary>
internal sealed class DocumentNumbers
{
    private readonly GaplessCounts _counts = new();
    private readonly Dictionary<string, long> _begins = [];
    private readonly HashSet<string> _given = [];

    /// <returns>what is wrong with the number; null where nothing is</returns>
    public string? Given(string number)
    {
        var dash = number.LastIndexOf('-');
        if (dash < 1 || !long.TryParse(number.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count < 1 || number != Of(number[..dash], count))
            return $"'{number}' is no number of a series";
        var series = number[..dash];
        _given.Add(series);
        if (_counts.Add(series, count)) return null;
        return _begins.GetValueOrDefault(series) is var last && count <= last ? $"the number {number} is given, and the series goes on after {Of(series, last)}" : $"the number {number} is given twice";
    }

    /// <summary>The next number of the series is the one after another system's last. It may be said again until a number is given.</summary>
    /// <returns>what is wrong with that; null where nothing is</returns>
    public string? Continued(string series, long last)
    {
        if (_given.Contains(series)) return $"the series {series} is said to go on after {Of(series, last)} when numbers of it were given already";
        _begins[series] = last;
        _counts.BeginAfter(series, last);
        return null;
    }

    /// <summary>What is missing, of every gap.</summary>
    public IEnumerable<string> Missing => _counts.Gaps.Select(g =>
        $"the number{(g.From == g.To ? $" {Of(g.Of, g.From)} is" : $"s {Of(g.Of, g.From)} to {Of(g.Of, g.To)} are")} missing, and a later one is given");

    private static string Of(string series, long count) => string.Create(CultureInfo.InvariantCulture, $"{series}-{count:D6}");
}
