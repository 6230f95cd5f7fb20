using System.CommandLine;
using System.CommandLine.Help;
using Cli.Commands;

namespace Cli;

/// <summary>The billing command: each command is a file in Commands/.</summary>
public static class BillingCommand
{
    public static Command Create() => new("billing", "Prices, meters, bills and audits a language model")
    {
        new HelpOption(),
        new VersionOption(),
        DemoCommand.Create(),
        MenuCommands.Create(),
        UsageCommand.Create(),
        CustomerCommand.Create(),
        ImportCommand.Create(),
        SubscriptionCommand.Create(),
        InvoiceCommand.Create(),
        AccountCommand.Create(),
        SellerCommand.Create(),
        LedgerCommand.Create(),
        DunningCommand.Create(),
        AuditCommand.Create(),
        WebhookCommand.Create(),
        ParkedCommand.Create(),
        ShardCommand.Create(),
        KeyCommand.Create(),
        BenchCommand.Create(),
    };
}
