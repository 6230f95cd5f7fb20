using System.CommandLine;
using Contracts.Billing.V1;

namespace Cli.Commands;

/// <summary>billing shard: how far the reports of usage are in the books, and letting one that stopped go on.</summary>
public static class ShardCommand
{
    private static readonly (string Name, Func<AppliedShard, object> Of)[] Columns =
        [("shard", s => s.Shard), ("through", s => s.ThroughNumber), ("highest", s => s.HighestNumber), ("stopped", s => s.Stopped)];

    public static Command Create() => new("shard", "How far reports of usage are in the books, and resuming what stopped") { List(), Resume() };

    private static Command List()
    {
        var (billing, shape) = (ServiceAddress.Billing(), new OutputShape());
        var command = new Command("list", "The shards of usage, the reports that are applied, and why one is stopped") { billing };
        shape.AddTo(command);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            shape.Print(parsed, [.. (await new Contracts.Billing.V1.Billing.BillingClient(channel).GetAppliedReportsAsync(new(), cancellationToken: ct)).Shards], Columns);
            return 0;
        }));
        return command;
    }

    private static Command Resume()
    {
        var shard = new Argument<int>("SHARD") { Description = "as billing shard list shows it" };
        var (billing, json) = (ServiceAddress.Billing(), BillingCalls.Json());
        var command = new Command("resume", "Let a stopped shard take reports again, when somebody has looked at it; a report that does not follow stops it again") { shard, billing, json };
        var by = new ByOptions();
        by.AddTo(command, _ => true);
        command.SetAction((parsed, ct) => BillingCalls.AskAsync(parsed.GetValue(billing)!, async channel =>
        {
            var answer = await new Operations.OperationsClient(channel).ResumeShardAsync(new() { Shard = parsed.GetValue(shard) }, cancellationToken: ct);
            if (parsed.GetValue(json)) BillingCalls.Print(new { shard = parsed.GetValue(shard), resumed = answer.Resumed, stopped = answer.Stopped });
            else Console.Out.WriteLine(answer.Resumed ? $"shard {parsed.GetValue(shard)} takes reports again; it had stopped because {answer.Stopped}" : $"shard {parsed.GetValue(shard)} was not stopped");
            return 0;
        }, by.Of(parsed)));
        return command;
    }
}
