using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

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

    [Fact]
    public async Task Whoever_watches_its_health_is_told_that_it_drains_and_does_not_keep_it_from_stopping()
    {
        var builder = ServiceDefaults.CreateBuilder("watched", [], _ => StatusCode.Internal, b => b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Http:Address"] = "127.0.0.1", ["Http:Port"] = "0", ["Http:GrpcPort"] = "0", ["Logging:Minimum"] = "Error",
        }));
        var left = new TaskCompletionSource<bool>();
        builder.Services.AddSingleton(left).AddHostedService<LastToStop>();
        await using var app = builder.Build();
        app.MapGrpcService<WatchedHealth>();
        await app.StartAsync();
        using var channel = GrpcChannel.ForAddress(app.Endpoints().Grpc);
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest());
        Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, watch.ResponseStream.Current.Status);
        await app.StopAsync();
        Assert.True(await left.Task, "the time to stop was not used up by the watcher");
        Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, watch.ResponseStream.Current.Status);
        Assert.False(await watch.ResponseStream.MoveNext(CancellationToken.None));
    }

    [Theory]
    [InlineData("Information", LogLevel.Information, LogLevel.Warning)]
    [InlineData("Error", LogLevel.Error, LogLevel.Error)]
    public async Task Libraries_never_log_more_than_was_asked_for(string minimum, LogLevel ours, LogLevel theirs)
    {
        var builder = ServiceDefaults.CreateBuilder("logging", [], _ => StatusCode.Internal, b => b.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Logging:Minimum"] = minimum,
        }));
        await using var app = builder.Build();
        var logs = app.Services.GetRequiredService<ILoggerFactory>();
        Assert.Equal(ours, Least(logs.CreateLogger("Usage.Host")));
        Assert.Equal(theirs, Least(logs.CreateLogger("MassTransit.Transports")));

        static LogLevel Least(ILogger log) => Enum.GetValues<LogLevel>().First(log.IsEnabled);
    }

    /// <summary>Stops after the web server, and says whether there was time left to.</summary>
    private sealed class LastToStop(TaskCompletionSource<bool> left) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            left.SetResult(!cancellationToken.IsCancellationRequested);
            return Task.CompletedTask;
        }
    }
}
