using System.CommandLine;
using Billing.Host;

namespace Cli.Commands;

/// <summary>billing audit rebuild: every view made again from the events, while no billing service runs.</summary>
public static class AuditRebuildCommand
{
    public static Command Create()
    {
        var (postgres, json, by) = (AuditImportCommand.Postgres(), BillingCalls.Json(), new ByOptions());
        var command = new Command("rebuild", "Make every view again from the events, while no billing service runs on them") { postgres, json };
        by.AddTo(command, _ => true);
        command.SetAction((parsed, ct) => AuditImportCommand.On(parsed.GetValue(postgres)!, async database =>
        {
            var rebuilt = await ViewRebuild.RunAsync(database, by.Said(parsed), ct);
            if (parsed.GetValue(json)) BillingCalls.Print(rebuilt);
            else
                Console.Out.WriteLine(
                    $"{rebuilt.Events:N0} events are folded into {rebuilt.Customers:N0} customers, {rebuilt.Subscriptions:N0} subscriptions, {rebuilt.Periods:N0} periods and {rebuilt.Invoices:N0} invoices");
        }));
        return command;
    }
}
