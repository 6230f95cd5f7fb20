using System.CommandLine;
using Cli.Commands;

// The billing command: each command is a file in Commands/.
var root = new RootCommand("Prices, meters, bills and audits a language model") { DemoCommand.Create(), AuditCommand.Create() };
return await root.Parse(args).InvokeAsync();
