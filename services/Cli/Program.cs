using Cli;

return await BillingCommand.Create().RunAsync(args);
