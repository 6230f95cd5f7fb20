using System.Runtime.CompilerServices;
using Billing.Audit;
using Npgsql;

namespace Billing.Host;

/// <summary>Seals recomputed over the tables as they are.</summary>
public static class SealVerification
{
    public static async IAsyncEnumerable<SealVerdict> Run(NpgsqlConnection connection, [EnumeratorCancellation] CancellationToken ct)
    {
        var check = new SealCheck();
        for (long page = 0; await SealReader.Page(connection, page, ct) is { } next; page = next.Number)
        {
            var events = new List<StoredEvent>();
            await foreach (var e in SealReader.Events(connection, check.ThroughSequence, next.ToSequence, ct)) events.Add(e);
            yield return check.Next(next, events);
        }
    }

    /// <summary>Which stored events of these streams are not what was sealed, in one sentence.</summary>
    public static async Task<string> Explain(NpgsqlConnection connection, IReadOnlyList<string> streamIds, CancellationToken ct)
    {
        var findings = new List<string>();
        await foreach (var verdict in Run(connection, ct)) findings.AddRange(verdict.Findings);
        var about = findings.Where(f => streamIds.Any(id => f.Contains(id, StringComparison.Ordinal))).ToArray();
        if (about.Length > 0) return $"Explained by: {string.Join("; ", about)}";
        return findings.Count > 0
            ? $"No event of these streams was altered, but the log was: {string.Join("; ", findings)}"
            : "Every event is as it was sealed: either the document was altered, or today's code rates differently";
    }
}
