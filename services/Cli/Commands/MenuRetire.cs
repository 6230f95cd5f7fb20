using System.CommandLine;
using Grpc.Core;
using Hosting;

namespace Cli.Commands;

/// <summary><c>billing menu retire menu_… --reason TEXT</c>: takes a menu off sale, or discards a draft that nobody will publish. For good, either way.</summary>
public static class MenuRetire
{
    public static Command Create()
    {
        var id = new Argument<string>("ID") { Description = "A menu on sale, or a draft." };
        var reason = new Option<string>("--reason") { HelpName = "TEXT", Description = "Why; it is kept.", Required = true };
        var actor = new Option<string>("--actor") { HelpName = "NAME", Description = "Who retires it (default: who is logged in).", DefaultValueFactory = _ => Environment.UserName };
        var key = new Option<string?>("--key") { HelpName = "TEXT", Description = "Idempotency key." };
        var (address, json) = (ServiceAddress.PlanDesign(), MenuSolve.Json());
        var command = new Command("retire", "Takes a menu off sale for good, and whoever has it keeps it; or discards a draft.") { id, reason, actor, key, address, json };
        command.SetAction((parsed, ct) => PlanDesignCalls.AskAsync(parsed.GetValue(address)!, async plans =>
        {
            var headers = parsed.GetValue(key) is { } text ? new Metadata { { IdempotentCalls.Metadata, text } } : null;
            MenuShow.Print(await plans.RetireMenuAsync(new() { MenuId = parsed.GetValue(id)!, Actor = parsed.GetValue(actor)!, Reason = parsed.GetValue(reason)! }, headers, cancellationToken: ct), parsed.GetValue(json));
            return 0;
        }));
        return command;
    }
}
