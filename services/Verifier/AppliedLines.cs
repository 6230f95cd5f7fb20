using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Verifier;

/// <summary>
/// Whether reports are those that their usage_applied events applied: by the chain value that the events name, and by their lines. Events come in the order of the log, those of a
/// report anywhere in it; so of each report one sum of hashes is kept, which does not depend on the order, and not its lines. Besides, of each event to which period it brought which report, in some 30 bytes:
/// a report is applied to a period once, and where its lines are not here nothing else shows that.
/// </summary>
internal sealed class AppliedLines
{
    private sealed class Applied
    {
        public byte[] Sum { get; } = new byte[SHA256.HashSizeInBytes];
        public string? Chain { get; set; }
        public bool HasTwoChains { get; set; }
    }

    private readonly Dictionary<(int Shard, long Number), Applied> _reports = [];
    private readonly Dictionary<string, int> _periods = [];
    private readonly HashSet<(int Period, int Shard, long Number)> _brought = [];

    public long Events { get; private set; }

    /// <summary>From before events named the chain of their report.</summary>
    public long EventsWithoutChain { get; private set; }

    /// <summary>Reports that came without their lines, and how many came in all.</summary>
    public (long Without, long All) Reports { get; private set; }

    /// <returns>what is wrong with the event; null where nothing is</returns>
    public string? Event(string period, JsonElement data)
    {
        var key = (data.GetProperty("shard").GetInt32(), data.GetProperty("report").GetInt64());
        if (!_reports.TryGetValue(key, out var applied)) _reports[key] = applied = new();
        Events++;
        if (ChainOf(data) is not { } chain) EventsWithoutChain++;
        else
        {
            applied.HasTwoChains |= applied.Chain is not null && applied.Chain != chain;
            applied.Chain = chain;
        }
        foreach (var line in data.GetProperty("lines").EnumerateArray()) Add(applied.Sum, period, line);
        if (!_periods.TryGetValue(period, out var of)) _periods[period] = of = _periods.Count;
        return _brought.Add((of, key.Item1, key.Item2)) ? null : string.Create(CultureInfo.InvariantCulture, $"applies report {key.Item2} of shard {key.Item1} to {period} again");
    }

    /// <returns>null of an event that is older than the field</returns>
    public static string? ChainOf(JsonElement data) => data.TryGetProperty("chain", out var chain) ? chain.GetString() : null;

    /// <param name="lines">of the report; none of one that was applied by a billing that did not keep them, or is of an export without them</param>
    /// <returns>what of the report is not as its events say; null if all is</returns>
    public string? Difference(int shard, long number, string chain, JsonElement lines)
    {
        var known = _reports.Remove((shard, number), out var applied);
        if (known && (applied!.HasTwoChains || applied.Chain is not null && applied.Chain != chain))
            return string.Create(CultureInfo.InvariantCulture, $"report {number} of shard {shard} has another chain value than an event that applied it");
        var isWithout = lines.ValueKind != JsonValueKind.Array;
        Reports = (Reports.Without + (isWithout ? 1 : 0), Reports.All + 1);
        if (isWithout) return null;
        var (sum, said) = (new byte[SHA256.HashSizeInBytes], new HashSet<(string?, string?, string?)>());
        foreach (var line in lines.EnumerateArray())
        {
            var (period, plan, kind) = (line.GetProperty("periodId").GetString()!, line.GetProperty("planId").GetString(), line.GetProperty("kind").GetString());
            if (!said.Add((period, plan, kind))) return string.Create(CultureInfo.InvariantCulture, $"report {number} of shard {shard} has two lines of {kind} tokens of {plan} in {period}");
            Add(sum, period, line);
        }
        return sum.AsSpan().SequenceEqual(known ? applied!.Sum : new byte[SHA256.HashSizeInBytes])
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"the lines of report {number} of shard {shard} are not what its events applied");
    }

    /// <summary>Reports that events name and no line showed.</summary>
    public IEnumerable<(int Shard, long Number)> WithoutReport => _reports.Keys.Order();

    private static void Add(byte[] sum, string period, JsonElement line)
    {
        var text = string.Create(
            CultureInfo.InvariantCulture, $"{period}/{line.GetProperty("planId").GetString()}/{line.GetProperty("kind").GetString()}/{line.GetProperty("tokens").GetInt64()}");
        var (hash, carry) = (SHA256.HashData(Encoding.UTF8.GetBytes(text)), 0);
        for (var i = sum.Length - 1; i >= 0; i--)
        {
            var digit = sum[i] + hash[i] + carry;
            (sum[i], carry) = ((byte)(digit & 0xFF), digit >> 8);
        }
    }
}
