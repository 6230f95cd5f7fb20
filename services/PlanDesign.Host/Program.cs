using PlanDesign.Host;

if (args.Contains("--health")) return await HealthEndpoints.ProbeAsync(args);
if (args is [PublishAgain.Argument]) return await PlanDesignHost.PublishAgainAsync();
return await PlanDesignHost.Build(args).RunServiceAsync();
