using Billing.Host;

if (args.Contains("--health")) return await HealthEndpoints.ProbeAsync(args);
if (args is ["--import", var file]) return await BooksImport.FromEnvironmentAsync(file);
if (args is ["--import", var one, "--head", var head]) return await BooksImport.FromEnvironmentAsync(one, head);
if (args is [PublishAgain.Argument]) return await BillingStore.PublishAgainAsync();
return await BillingHost.Build(args).RunServiceAsync();
