using System.Runtime.CompilerServices;
using Billing.Audit;
using Npgsql;

namespace Billing.Host;

/// <summary>Seals recomputed over the tables as they are.</summary>
public static class SealVerification
{
    /// <returns>each page with its chain value as stored</returns>
    public static async IAsyncEnumerable<(SealVerdict Verdict, byte[] Chain)> Run(NpgsqlConnection connection, [EnumeratorCancellation] CancellationToken ct)
    {
        var check = new SealCheck();
        for (long page = 0; await SealReader.Page(connection, page, ct) is { } next; page = next.Number)
        {
            var events = new List<StoredEvent>();
            await foreach (var e in SealReader.Events(connection, check.ThroughSequence, next.ToSequence, ct)) events.Add(e);
            yield return (check.Next(next, events), next.Chain);
        }
    }

    /// <summary>Events that no page vouches for yet, and what is wrong with them all the same.</summary>
    public static async Task<(long Count, IReadOnlyList<string> Findings)> Unsealed(NpgsqlConnection connection, long through, CancellationToken ct)
    {
        var (count, findings) = (0L, new List<string>());
        await foreach (var e in SealReader.Events(connection, through, long.MaxValue, ct))
        {
            count++;
            if (e.Fault is { } fault) findings.Add(fault);
        }
        return (count, findings);
    }
}

/// <summary>Which altered events explain that invoices differ. The log is checked once, when the first one does.</summary>
internal sealed class SealExplanation(NpgsqlConnection connection)
{
    private List<string>? _findings;

    /// <summary>Which stored events of these streams are not what was sealed, in one sentence.</summary>
    public async Task<string> Of(IReadOnlyList<string> streamIds, CancellationToken ct)
    {
        if (_findings is not { } findings)
        {
            findings = [];
            long through = 0;
            await foreach (var (verdict, _) in SealVerification.Run(connection, ct))
            {
                findings.AddRange(verdict.Findings);
                through = verdict.ToSequence;
            }
            findings.AddRange((await SealVerification.Unsealed(connection, through, ct)).Findings);
            _findings = findings;
        }
        var about = findings.Where(f => streamIds.Any(id => f.Contains(id, StringComparison.Ordinal))).ToArray();
        if (about.Length > 0) return $"Explained by: {string.Join("; ", about)}";
        return findings.Count > 0
            ? $"No event of these streams was altered, but the log was: {Some(findings)}"
            : "Every event is as it was sealed: either the document was altered, or today's code rates differently";
    }

    private static string Some(List<string> findings)
    {
        const int most = 20;
        return findings.Count <= most ? string.Join("; ", findings) : $"{string.Join("; ", findings.Take(most))}; and {findings.Count - most} more";
    }
}
