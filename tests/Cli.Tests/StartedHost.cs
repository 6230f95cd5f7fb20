using Hosting;
using LocalServers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Usage.Host;

namespace Cli.Tests;

/// <summary>A service in this process, on free ports, that is ready.</summary>
internal static class StartedHost
{
    /// <param name="settings">beside where it listens and where its broker is</param>
    public static async Task<WebApplication> Of(Func<string[], Action<WebApplicationBuilder>, WebApplication> build, Uri broker, Dictionary<string, string?> settings)
    {
        var host = build([], b =>
        {
            b.Environment.EnvironmentName = "Test";
            b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(settings)
            {
                ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["Logging:Minimum"] = "Fatal", ["RabbitMq:Uri"] = $"{broker}",
            });
        });
        await host.StartAsync();
        await Eventually.True(() => host.Services.GetRequiredService<Readiness>().IsReady, "it is ready");
        return host;
    }

    /// <summary>Usage with a database and a virtual host of its own.</summary>
    public static async Task<WebApplication> OfUsage(Dictionary<string, string?> settings) => await Of(
        (args, configure) => UsageHost.Build(args, configure), await Servers.CreateVirtualHostAsync(),
        new(settings) { ["Usage:Postgres"] = (await Servers.CreateDatabaseAsync()).ConnectionString("usage") });
}
