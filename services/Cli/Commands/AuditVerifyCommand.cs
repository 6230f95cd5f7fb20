using System.CommandLine;
using Cli.Audits;
using Contracts.Billing.V1;
using Verifier;

namespace Cli.Commands;

/// <summary>billing audit verify: the running service's seals, or an export or a proof, offline. Exit code 1 if anything does not hold.</summary>
public static class AuditVerifyCommand
{
    private const int FindingsShown = 100;

    public static Command Create()
    {
        var file = new Argument<string?>("file") { Description = "an export or a proof to check offline; without it the running service checks its seals", Arity = ArgumentArity.ZeroOrOne };
        var head = Head();
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("verify", "Check that no stored event was altered, added or removed, and name the one that was; or check an export or a proof without any service") { file, head, billing, json };
        command.SetAction((parsed, ct) => parsed.GetValue(file) is { } path
            ? Task.FromResult(VerifyFile(path, parsed.GetValue(head), parsed.GetValue(json)))
            : BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
            {
                var pages = await AuditCalls.VerifySealsAsync(new Audit.AuditClient(channel), ct, parsed.GetValue(head));
                return Report(
                    pages.Sum(p => p.EventCount), "events in sealed pages", [.. pages.Where(p => !p.Intact).Select(p => new ExportFinding(p.Page, p.Finding))], "page",
                    Convert.ToHexStringLower(pages[^1].Chain.Span), pages[^1].UnsealedEventCount, parsed.GetValue(json));
            }));
        return command;
    }

    /// <summary>A head that was noted, for whatever checks a file against it.</summary>
    internal static Option<string?> Head()
    {
        var head = new Option<string?>("--head") { HelpName = "HEX", Description = "the head of the seals as it was noted earlier: what was sealed by then was not made anew since" };
        head.Validators.Add(result =>
        {
            if (result.GetValue(head) is { } hex && (hex.Length != 64 || hex.Any(c => !char.IsAsciiHexDigitLower(c)))) result.AddError("--head is 64 hex digits, as verify prints them");
        });
        return head;
    }

    private static int VerifyFile(string path, string? head, bool json)
    {
        if (!File.Exists(path)) throw new UserException($"{path}: no such file; write one with: billing audit export --out {path}, or billing audit prove GENERATION --out {path}");
        // Read once: it may be a pipe.
        using var line = File.ReadLines(path).GetEnumerator();
        var hasLine = line.MoveNext();
        // A proof begins so in every version; what is neither is read as an export, line by line, however large it is.
        if (hasLine && line.Current.StartsWith("{\"format\":\"billing-proof/", StringComparison.Ordinal)) return Report(path, VerifyProof.Check(Rest(line), head), json);
        var check = new VerifyExport(head);
        long lines = 0;
        for (; hasLine; hasLine = line.MoveNext(), lines++) check.Next(line.Current);
        check.Finish();
        return Report(lines, "lines", check.Findings, "line", check.Head, check.UnsealedEvents, json, check.Notes);
    }

    /// <summary>From where it stands.</summary>
    private static IEnumerable<string> Rest(IEnumerator<string> lines)
    {
        do yield return lines.Current;
        while (lines.MoveNext());
    }

    /// <summary>What a proof shows, or why it shows nothing.</summary>
    internal static int Report(string path, VerifyProof proof, bool json)
    {
        if (json) BillingCalls.Print(new { file = path, intact = proof.Findings.Count == 0, proof.Head, rows = proof.Proven, proof.Findings, proof.Notes });
        else if (proof.Findings.Count == 0)
        {
            foreach (var row in proof.Proven) Console.Out.WriteLine(row.Statement);
            foreach (var note in proof.Notes) Console.Out.WriteLine($"note: {note}");
            Console.Out.WriteLine($"{path} holds; it leads to the head {proof.Head} of the seals: compare that with one you noted, or give it with --head");
        }
        else
        {
            Console.Out.WriteLine($"{path} proves nothing: {proof.Findings.Count:N0} findings");
            foreach (var line in Told(proof.Findings, "line")) Console.Out.WriteLine(line);
        }
        return proof.Findings.Count == 0 ? 0 : 1;
    }

    /// <summary>The first of them: a file that is something else has one a line.</summary>
    private static IEnumerable<string> Told(IReadOnlyList<ExportFinding> findings, string where)
    {
        foreach (var finding in findings.Take(FindingsShown)) yield return $"{where} {finding.Line}: {finding.Finding}";
        if (findings.Count > FindingsShown) yield return $"and {findings.Count - FindingsShown:N0} more: --json gives all of them";
    }

    private static int Report(long checkedCount, string of, IReadOnlyList<ExportFinding> findings, string where, string head, long unsealed, bool json, IReadOnlyList<string>? notes = null)
    {
        if (json) BillingCalls.Print(new { @checked = checkedCount, intact = findings.Count == 0, unsealed, head, findings, notes = notes ?? [] });
        else
        {
            Console.Out.WriteLine(findings.Count == 0 ? $"{checkedCount:N0} {of}: all intact" : $"{checkedCount:N0} {of}: {findings.Count:N0} findings");
            foreach (var line in Told(findings, where)) Console.Out.WriteLine(line);
            foreach (var note in notes ?? []) Console.Out.WriteLine($"note: {note}");
            if (unsealed > 0) Console.Out.WriteLine($"{unsealed:N0} events are not sealed yet: nothing vouches for them");
            Console.Out.WriteLine($"head of the seals: {head} (note it elsewhere; --head checks later that nothing up to here was made anew)");
        }
        return findings.Count == 0 ? 0 : 1;
    }
}
