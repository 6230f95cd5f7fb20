using System.CommandLine;
using System.CommandLine.Parsing;
using Billing;
using Grpc.Core;

namespace Cli.Commands;

/// <summary>Who orders a change, and why: options of every command that changes something in billing, kept there with the event.</summary>
internal sealed class ByOptions
{
    private const string ReasonOption = "--reason", SayWhy = "say why, with --reason TEXT: it is kept for auditors";
    private readonly Option<string> _actor = new("--actor")
    {
        HelpName = "NAME",
        Description = "who orders it (default the environment's BILLING_ACTOR, else your user name)",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("BILLING_ACTOR") ?? Environment.UserName,
    };

    /// <param name="command">one that has a --reason of its own, printed or not, means this one too</param>
    /// <param name="needsReason">whether billing would refuse it without a reason: it is administrative. Said before anything is asked</param>
    public void AddTo(Command command, Func<CommandResult, bool>? needsReason = null)
    {
        // Looking changes nothing.
        if (command.Name == "show") return;
        command.Add(_actor);
        if (command.Options.All(o => o.Name != ReasonOption)) command.Add(UsageCommand.Text(ReasonOption, needsReason is null ? "why; an auditor reads it" : "why, which this needs; an auditor reads it"));
        if (needsReason is not null) command.Validators.Add(result => { if (needsReason(result) && result.GetResult(ReasonOption) is not { Tokens: [.., { Value.Length: > 0 }] }) result.AddError(SayWhy); });
    }

    /// <summary>For what is done without a service.</summary>
    public Attribution Said(ParseResult parsed) => new(parsed.GetValue(_actor)!, parsed.GetValue<string>(ReasonOption) ?? "");

    /// <summary>Where only what was read shows that a reason is needed.</summary>
    public static void DemandReason(ParseResult parsed)
    {
        if (string.IsNullOrWhiteSpace(parsed.GetValue<string>(ReasonOption))) throw new UserException(SayWhy);
    }

    /// <summary>Whether an option stands on the command line, whatever its value.</summary>
    public static bool Has(CommandResult result, Option option) => result.GetResult(option) is { Implicit: false };

    /// <summary>As the metadata that billing reads: UTF-8, percent-encoded.</summary>
    public Metadata? Of(ParseResult parsed) => parsed.CommandResult.Command.Options.Contains(_actor)
        ? new() { { "actor", Uri.EscapeDataString(parsed.GetValue(_actor)!) }, { "reason", Uri.EscapeDataString(parsed.GetValue<string>(ReasonOption) ?? "") } }
        : null;
}
