namespace Hosting.Tests;

/// <summary>One running service on a database and a virtual host of its own.</summary>
public sealed class JarsFixture : IAsyncLifetime
{
    public string Postgres { get; private set; } = "";
    public Uri RabbitMq { get; private set; } = null!;
    public TestHost Host { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Postgres = (await Servers.CreateDatabaseAsync()).ConnectionString("billing");
        RabbitMq = await Servers.CreateVirtualHostAsync();
        Host = await TestHost.StartAsync(Postgres, RabbitMq.OriginalString, new() { ["Clock:Mode"] = "Simulated", ["Clock:Start"] = "2026-01-01T00:00:00Z" });
        await Host.IsReadyAsync();
    }

    public async Task DisposeAsync() => await Host.DisposeAsync();
}
