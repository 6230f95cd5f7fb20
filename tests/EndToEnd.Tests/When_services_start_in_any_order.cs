using LocalServers;

namespace EndToEnd.Tests;

public sealed class When_services_start_in_any_order : IAsyncLifetime
{
    private static readonly string[][] Orders =
    [
        [Company.PlanDesign, Company.Usage, Company.Billing], [Company.PlanDesign, Company.Billing, Company.Usage],
        [Company.Usage, Company.PlanDesign, Company.Billing], [Company.Usage, Company.Billing, Company.PlanDesign],
        [Company.Billing, Company.PlanDesign, Company.Usage], [Company.Billing, Company.Usage, Company.PlanDesign],
    ];

    private ServerFolder _folder = null!;

    public async Task InitializeAsync() => _folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), "billing-tests-order"));
    public async Task DisposeAsync() => await _folder.DisposeAsync();

    [Fact]
    public async Task All_six_orders_work_in_the_end_with_the_broker_last()
    {
        // The broker has been here once, so that its address and virtual hosts are known; it is away while the services start.
        await using var broker = await PrivateRabbitMq.StartAsync(_folder);
        var names = Orders.Select(order => string.Join('-', order)).ToArray();
        await broker.CreateVirtualHostsAsync(names);
        broker.Kill();

        var companies = new List<Company>();
        try
        {
            foreach (var (order, name) in Orders.Zip(names))
            {
                var company = new Company(await Company.CreateDatabaseAsync(), broker.Uri(name));
                companies.Add(company);
                foreach (var service in order) await company.StartAsync(service);
            }
            await broker.RestartAsync();
            await Task.WhenAll(companies.Select(SellAndBillAsync));
        }
        finally
        {
            await Task.WhenAll(companies.Select(c => c.DisposeAsync().AsTask()));
        }
    }

    // A menu reaches billing, a subscription reaches usage, usage reaches billing.
    private static async Task SellAndBillAsync(Company company)
    {
        foreach (var service in Company.Services) await company.ReadyAsync(service);
        await company.PublishMenuAsync();
        var subscriptions = await company.SubscribeAsync(1);
        var load = new Load(company, subscriptions, conversationsEach: 2, seed: 1);
        await load.ServeAsync();
        Assert.True(load.Acknowledged.Values.Sum() > 0);
        var draft = new Contracts.Billing.V1.GetInvoiceRequest { PeriodId = subscriptions[0].CurrentPeriod.PeriodId };
        var books = await Books.ReadAsync(company.Deployment.Ledger);
        await Eventually.True(
            async () => (await company.Deployment.Billing.GetInvoiceAsync(draft)).Lines.Sum(l => l.Tokens) == books.Tokens, "what was used is on the draft invoice", TimeSpan.FromMinutes(2));
    }
}
