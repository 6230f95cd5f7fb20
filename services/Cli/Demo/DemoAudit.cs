using System.Text.RegularExpressions;
using Cli.Audits;
using Verifier;

namespace Cli.Demo;

/// <summary>The last step: every invoice replayed, the seals checked, and a forger caught in a copy of the books.</summary>
public sealed partial class DemoAudit(Deployment deployment, DemoScreen screen, string folder)
{
    public sealed record Outcome(int Identical, bool TamperDetected);

    /// <param name="invoices">the ids of this run's invoices: a deployment that was there before may have more</param>
    public async Task<Outcome> RunAsync(IReadOnlySet<string> invoices, CancellationToken ct)
    {
        screen.Title("8  Audit");
        var replay = (await AuditCalls.ReplayAsync(deployment.Audit, "", ct)).Where(r => invoices.Contains(r.InvoiceId)).ToArray();
        var identical = replay.Count(r => r.Identical);
        screen.Say($"{identical:N0} of {replay.Length:N0} invoices, rated again from their events, are byte for byte what was issued.");
        foreach (var different in replay.Where(r => !r.Identical).Take(3)) screen.Say($"  {different.Number}: {different.Difference}");

        var seals = await AuditCalls.VerifySealsAsync(deployment.Audit, ct);
        screen.Say($"{seals.Sum(s => s.EventCount):N0} stored events in {seals.Count(s => s.Page > 0):N0} sealed pages: {(seals.All(s => s.Intact) ? "all intact" : "NOT intact")}.");

        var (original, forged) = (Path.Combine(folder, "export.ndjson"), Path.Combine(folder, "forged.ndjson"));
        await AuditCalls.ExportAsync(deployment.Audit, original, ct);
        var clean = VerifyExport.Check(File.ReadLines(original));
        // As whoever stands here would name it.
        var shown = Path.GetRelativePath(Environment.CurrentDirectory, original) is var near && near.StartsWith("..", StringComparison.Ordinal) ? original : near;
        screen.Say($"Exported to {shown} and verified offline: {(clean.Count == 0 ? "every line holds" : clean[0].Finding)}.");

        var altered = Forge(original, forged);
        var findings = VerifyExport.Check(File.ReadLines(forged));
        screen.Say($"Then one stored event was altered in a copy ({altered}). The audit says:");
        foreach (var finding in findings) screen.Say($"  line {finding.Line}: {finding.Finding}");
        return new(identical, clean.Count == 0 && seals.All(s => s.Intact) && findings.Any(f => f.Finding.EndsWith("is not what was sealed", StringComparison.Ordinal)));
    }

    // What a forger would do: one token less on one usage event.
    private static string Forge(string original, string forged)
    {
        var lines = File.ReadAllLines(original);
        var at = Array.FindIndex(lines, l => l.Contains("\"type\":\"usage_applied\"", StringComparison.Ordinal) && Tokens().IsMatch(l));
        if (at < 0) throw new InvalidOperationException($"{original} has no usage to alter");
        var change = "";
        lines[at] = Tokens().Replace(lines[at], m =>
        {
            var less = long.Parse(m.Groups["tokens"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture) - 1;
            change = $"{m.Groups["tokens"].Value} tokens became {less}";
            return m.Value.Replace(m.Groups["tokens"].Value, $"{less}", StringComparison.Ordinal);
        }, 1);
        File.WriteAllLines(forged, lines);
        return change;
    }

    [GeneratedRegex("""\\"tokens\\": ?(?<tokens>[1-9][0-9]*)""")]
    private static partial Regex Tokens();
}
