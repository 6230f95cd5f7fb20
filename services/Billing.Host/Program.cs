using Billing.Host;

if (args.Contains("--health")) return await HealthEndpoints.ProbeAsync(args);
if (args is ["--import", var file]) return await BooksImport.FromEnvironmentAsync(file);
return await BillingHost.Build(args).RunServiceAsync();
