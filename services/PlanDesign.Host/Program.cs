using PlanDesign.Host;

if (args.Contains("--health")) return await HealthEndpoints.ProbeAsync(args);
return await PlanDesignHost.Build(args).RunServiceAsync();
