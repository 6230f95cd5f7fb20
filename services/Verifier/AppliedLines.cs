using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Verifier;

/// <summary>
/// Whether reports say what their usage_applied events applied. Events come in the order of the log, those of a report anywhere in it; so of each report one sum of
/// hashes is kept, which does not depend on the order, and not its lines.
/// </summary>
internal sealed class AppliedLines
{
    private readonly Dictionary<(int Shard, long Number), byte[]> _sums = [];

    public void Event(string period, JsonElement data)
    {
        var key = (data.GetProperty("shard").GetInt32(), data.GetProperty("report").GetInt64());
        if (!_sums.TryGetValue(key, out var sum)) _sums[key] = sum = new byte[SHA256.HashSizeInBytes];
        foreach (var line in data.GetProperty("lines").EnumerateArray()) Add(sum, period, line);
    }

    /// <param name="lines">of the report; null of one that was applied by a billing that did not keep them</param>
    public bool Agrees(int shard, long number, JsonElement lines)
    {
        var known = _sums.Remove((shard, number), out var applied);
        if (lines.ValueKind == JsonValueKind.Null) return true;
        var sum = new byte[SHA256.HashSizeInBytes];
        foreach (var line in lines.EnumerateArray()) Add(sum, line.GetProperty("periodId").GetString()!, line);
        return sum.AsSpan().SequenceEqual(known ? applied! : new byte[SHA256.HashSizeInBytes]);
    }

    /// <summary>Reports that events name and no line showed.</summary>
    public IEnumerable<(int Shard, long Number)> WithoutReport => _sums.Keys.Order();

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
