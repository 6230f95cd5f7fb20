using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Hosting.Tests;

public sealed class StartTests
{
    /// <summary>What a signal does that comes while the services start: those that follow are told to start no more.</summary>
    private sealed class Stopping(IHostApplicationLifetime application) : IHostedService
    {
        public bool IsStopped { get; private set; }

        public Task StartAsync(CancellationToken cancellationToken)
        {
            application.StopApplication();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            IsStopped = true;
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task A_service_that_is_told_to_stop_while_it_starts_stops_like_any_other_time()
    {
        var builder = ServiceDefaults.CreateBuilder("stopped", [], _ => StatusCode.Internal, b => b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["Logging:Minimum"] = "Error",
        }));
        builder.Services.AddSingleton<Stopping>().AddHostedService(s => s.GetRequiredService<Stopping>());
        var app = builder.Build();
        var stopping = app.Services.GetRequiredService<Stopping>();
        Assert.Equal(0, await app.RunServiceAsync());
        Assert.True(stopping.IsStopped);
    }
}
