using System.CommandLine;
using Billing;
using Grpc.Core;

namespace Cli.Commands;

/// <summary>Who orders a change, and why: options of every command that changes something in billing, kept there with the event.</summary>
internal sealed class ByOptions
{
    private const string ReasonOption = "--reason";
    private readonly Option<string> _actor = new("--actor")
    {
        HelpName = "NAME",
        Description = "who orders it (default the environment's BILLING_ACTOR, else your user name)",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("BILLING_ACTOR") ?? Environment.UserName,
    };

    /// <param name="command">one that has a --reason of its own, printed or not, means this one too</param>
    public void AddTo(Command command)
    {
        // Looking changes nothing.
        if (command.Name == "show") return;
        command.Add(_actor);
        if (command.Options.All(o => o.Name != ReasonOption)) command.Add(UsageCommand.Text(ReasonOption, "why; an auditor reads it"));
    }

    /// <summary>For what is done without a service.</summary>
    public Attribution Said(ParseResult parsed) => new(parsed.GetValue(_actor)!, parsed.GetValue<string>(ReasonOption) ?? "");

    /// <summary>As the metadata that billing reads: UTF-8, percent-encoded.</summary>
    public Metadata? Of(ParseResult parsed) => parsed.CommandResult.Command.Options.Contains(_actor)
        ? new() { { "actor", Uri.EscapeDataString(parsed.GetValue(_actor)!) }, { "reason", Uri.EscapeDataString(parsed.GetValue<string>(ReasonOption) ?? "") } }
        : null;
}
