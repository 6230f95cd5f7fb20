using Billing.Host;

if (args.Contains("--health")) return await HealthEndpoints.ProbeAsync(args);
return await BillingHost.Build(args).RunServiceAsync();
