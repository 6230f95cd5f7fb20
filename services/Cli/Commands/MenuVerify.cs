using System.CommandLine;
using System.Text;
using Kernel;
using PlanDesign;
using PlanDesign.Host;
using PlanDesign.Menus;

namespace Cli.Commands;

/// <summary>
/// <c>billing menu verify FILE|menu_… [--key PUBLICKEY]</c>: the signature, the certificate, every customer's best response and the prices, computed
/// anew from the file alone. Exit code 1 if anything does not hold.
/// </summary>
public static class MenuVerify
{
    public static Command Create()
    {
        var target = new Argument<string>("FILE|ID") { Description = "A file that billing menu show --out wrote, or the id of a menu to fetch first." };
        var key = new Option<string?>("--key") { HelpName = "BASE64", Description = "The public key that must have signed. Without it the file is checked against the key that it names." };
        var (address, json) = (ServiceAddress.PlanDesign(), MenuSolve.Json());
        var command = new Command("verify", "Checks a published menu offline: nothing altered, nothing better, nobody misled.") { target, key, address, json };
        command.SetAction(async (parsed, ct) =>
        {
            var from = parsed.GetValue(target)!;
            var check = SignedMenu.Check(await BytesOf(from, parsed.GetValue(address)!, ct));
            var findings = check.Findings.ToList();
            if (parsed.GetValue(key) is { } expected && check.Document is not null && check.PublicKey != expected) findings.Add(new("signature.publicKey", $"is {check.PublicKey}, expected {expected}"));
            // What was altered is named by the signatures; recomputing tells whether what is signed is true.
            var anew = check.Document is { } document ? await ProgressBar.During("recomputing", progress => MenuVerification.Recompute(document, progress, ct), ct) : null;
            findings.AddRange((anew?.Findings ?? []).Where(f => findings.All(known => known.Field != f.Field)));
            Report(from, check, anew, findings, parsed.GetValue(json), parsed.GetValue(key) is not null);
            return findings.Count == 0 ? 0 : CommandLine.Faulty;
        });
        return command;
    }

    private static async Task<byte[]> BytesOf(string from, Uri address, CancellationToken ct)
    {
        if (Ids.TryParse(Ids.Menu, from, out _))
        {
            var menu = await PlanDesignCalls.AskAsync(address, plans => plans.GetMenuAsync(new() { MenuId = from, IncludeSignedDocument = true }, cancellationToken: ct).ResponseAsync);
            return menu.SignedDocument.Length > 0 ? Encoding.UTF8.GetBytes(menu.SignedDocument) : throw new UserException($"{from} is not published, so there is nothing signed to verify");
        }
        try
        {
            return await File.ReadAllBytesAsync(from, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException(e is FileNotFoundException or DirectoryNotFoundException ? $"{from}: no such file; write one with: billing menu show menu_… --out {from}" : $"{from}: {e.Message}");
        }
    }

    private static void Report(string from, SignatureCheck check, MenuRecomputation? anew, List<MenuFinding> findings, bool json, bool keyGiven)
    {
        if (json)
        {
            Console.Out.WriteLine(ReportJson.Write(
                new { Intact = findings.Count == 0, KeyChecked = keyGiven, check.Document?.MenuId, check.PublicKey, Findings = findings, Recomputed = anew?.Figures, OldForm = anew is { OldForm.Count: > 0 } ? anew.OldForm : null }, indented: true));
            return;
        }
        foreach (var finding in findings) Console.Out.WriteLine($"{finding.Field}: {finding.Detail}");
        if (findings.Count > 0)
        {
            Console.Out.WriteLine($"{from}: {findings.Count} {(findings.Count == 1 ? "thing does" : "things do")} not hold");
            return;
        }
        var figures = anew!.Figures!;
        Console.Out.WriteLine($"{check.Document!.MenuId} \"{check.Document.Name}\": all intact");
        Console.Out.WriteLine($"signature    Ed25519 by {check.PublicKey}{(keyGiven ? "" : " (that this is the seller's key is for you to know; --key checks it)")}");
        Console.Out.WriteLine($"certificate  recomputed: at exact prices no such menu earns more than {MenuForPeople.Number(figures.UpperBound)} a conversation, this one earns {MenuForPeople.Number(figures.Profit)}"
            + (figures.UpperBoundInMinorUnits is { } inUnits ? $"; in {check.Document.Currency} minor units none more than {MenuForPeople.Number(inUnits)}" : ""));
        Console.Out.WriteLine($"responses    recomputed: nobody gains more than {figures.MaxIncentiveViolation:G2} by another plan, or loses more than {figures.MaxParticipationViolation:G2} by buying");
        Console.Out.WriteLine($"prices       {check.Document.Solved.Tiers.Count} fees in whole {check.Document.Currency} minor units, each the price of {check.Document.ConversationsPerPeriod:#,0} conversations");
        if (figures.ExitReason is not "optimal") Console.Out.WriteLine($"outcome      {figures.ExitReason}: this menu is not proved the best of its kind");
        foreach (var sentence in anew.OldForm) Console.Out.WriteLine($"old form     {sentence}");
    }
}
