using Hosting;
using Usage.Host;

if (args.Contains("--health")) return await HealthEndpoints.ProbeAsync(args);
var exitCode = await UsageHost.Build(args).RunServiceAsync();
// A service that had to give up later says so here: another instance took over, or the database is not its own.
return exitCode != 0 ? exitCode : Environment.ExitCode;
