using System.Globalization;

namespace Verifier;

/// <summary>
/// Reports of shards that are not in an export. One with which a period was closed must be there: closing says up to which report every shard was complete. One after that may be
/// on its way, or parked, and is noted.
/// </summary>
internal sealed class ReportGaps
{
    private readonly SortedDictionary<int, long> _complete = [];
    private readonly SortedDictionary<int, long> _last = [];
    private readonly List<(int Shard, long From, long To)> _gaps = [];

    /// <summary>A period was closed when the shard was complete up to this report.</summary>
    public void Complete(int shard, long number) => _complete[shard] = Math.Max(number, _complete.GetValueOrDefault(shard));

    /// <param name="number">above those of the shard that came before</param>
    public void Report(int shard, long number)
    {
        var next = _last.GetValueOrDefault(shard) + 1;
        if (number > next) _gaps.Add((shard, next, number - 1));
        _last[shard] = number;
    }

    /// <returns>what is missing, and what is only noted</returns>
    public IEnumerable<(string Told, bool IsFinding)> Told()
    {
        foreach (var (shard, number) in _complete)
            if (_last.GetValueOrDefault(shard) < number) _gaps.Add((shard, _last.GetValueOrDefault(shard) + 1, number));
        foreach (var (shard, from, to) in _gaps)
        {
            var complete = _complete.GetValueOrDefault(shard);
            if (from <= complete) yield return ($"{Name(shard, from, Math.Min(to, complete))} missing: a period was closed with it", true);
            if (to > complete) yield return ($"{Name(shard, Math.Max(from, complete + 1), to)} not here: on its way or parked where this was written, and in no period that was closed", false);
        }
    }

    private static string Name(int shard, long from, long to) =>
        string.Create(CultureInfo.InvariantCulture, $"report{(from == to ? $" {from}" : $"s {from} to {to}")} of shard {shard} {(from == to ? "is" : "are")}");
}
