using Grpc.Core;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Hosting;

/// <summary>What a service still waits for before it can serve. Ready when nothing is left; draining once it was told to stop.</summary>
public sealed class Readiness
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, string> _waiting = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, string> _notes = new(StringComparer.Ordinal);

    public event Action? Changed;

    public bool IsReady
    {
        get { lock (_gate) return _waiting.Count == 0; }
    }

    /// <summary>Each thing waited for, with the reason in one line.</summary>
    public IReadOnlyDictionary<string, string> Waiting
    {
        get { lock (_gate) return new Dictionary<string, string>(_waiting); }
    }

    public void WaitFor(string what, string why)
    {
        lock (_gate) _waiting[what] = why;
        Changed?.Invoke();
    }

    public void Has(string what)
    {
        lock (_gate) _waiting.Remove(what);
        Changed?.Invoke();
    }

    /// <summary>What does not go as it should, though the service serves: somebody should look at it.</summary>
    public IReadOnlyDictionary<string, string> Notes
    {
        get { lock (_gate) return new Dictionary<string, string>(_notes); }
    }

    public void Note(string what, string why)
    {
        lock (_gate) _notes[what] = why;
    }

    public void Forget(string what)
    {
        lock (_gate) _notes.Remove(what);
    }
}

/// <summary>Mirrors readiness into grpc.health.v1, for the service as a whole and under the name of each contract, and says "not serving" as soon as a shutdown begins so that callers go elsewhere.</summary>
public sealed class HealthReporter(Readiness readiness, WatchedHealth health, IEnumerable<MethodScopes> contracts, IHostApplicationLifetime lifetime) : IHostedService
{
    private readonly Lock _gate = new();
    private readonly string[] _names = ["", .. contracts.SelectMany(c => c.Contracts)];

    public Task StartAsync(CancellationToken cancellationToken)
    {
        readiness.Changed += Report;
        lifetime.ApplicationStopping.Register(() => readiness.WaitFor("shutdown", "the service is draining"));
        Report();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void Report()
    {
        // One at a time, or an older answer could be the last one said.
        lock (_gate)
        {
            var status = readiness.IsReady ? HealthCheckResponse.Types.ServingStatus.Serving : HealthCheckResponse.Types.ServingStatus.NotServing;
            foreach (var name in _names) health.SetStatus(name, status);
        }
    }
}

/// <summary>grpc.health.v1, whose watchers do not keep a service from stopping: they are told that it drains, and their calls end.</summary>
public sealed class WatchedHealth(IHostApplicationLifetime lifetime) : HealthServiceImpl
{
    private static readonly TimeSpan LastWordMax = TimeSpan.FromSeconds(1);

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        var stopping = new TaskCompletionSource();
        await using var told = lifetime.ApplicationStopping.UnsafeRegister(_ => stopping.TrySetResult(), null);
        var words = new Words(responseStream);
        var watching = base.Watch(request, words, context);
        await Task.WhenAny(watching, stopping.Task);
        if (!watching.IsCompleted) await Task.WhenAny(watching, words.NotServing, Task.Delay(LastWordMax));
    }

    private sealed class Words(IServerStreamWriter<HealthCheckResponse> stream) : IServerStreamWriter<HealthCheckResponse>
    {
        private readonly TaskCompletionSource _notServing = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes when "not serving" has been said.</summary>
        public Task NotServing => _notServing.Task;

        public WriteOptions? WriteOptions { get => stream.WriteOptions; set => stream.WriteOptions = value; }

        public async Task WriteAsync(HealthCheckResponse message)
        {
            await stream.WriteAsync(message);
            if (message.Status == HealthCheckResponse.Types.ServingStatus.NotServing) _notServing.TrySetResult();
        }
    }
}

public static class HealthEndpoints
{
    private const int NotesMax = 20;

    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/health/live", () => Results.Text("live\n"));
        app.MapGet("/health/ready", (Readiness readiness) => readiness.IsReady
            ? Results.Text(string.Concat(readiness.Notes.OrderBy(n => n.Key, StringComparer.Ordinal).Take(NotesMax).Select(n => $"{n.Key}: {n.Value}\n").Prepend("ready\n")))
            : Results.Json(readiness.Waiting, statusCode: StatusCodes.Status503ServiceUnavailable));
    }

    /// <summary>The container's health check: asks the running service on this machine. 0 ready, 1 not.</summary>
    public static async Task<int> ProbeAsync(string[] args)
    {
        HttpOptions http;
        try
        {
            http = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(args.Where(a => a != "--health").ToArray()).Build()
                .GetSection(HttpOptions.Section).Get<HttpOptions>() ?? new();
            _ = http.OnThisMachine;
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or ArgumentException)
        {
            await Console.Error.WriteLineAsync($"cannot ask: {(e is InvalidOperationException ? e.Message : "Http__Address must be an IP address, and Http__Port a port from 0 to 65535")}");
            return 1;
        }
        var address = http.OnThisMachine;
        // It asks whether the service on this machine is ready, and tells it nothing: the certificate is for callers that know the service by its name.
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator };
        using var client = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(3) };
        try
        {
            using var response = await client.GetAsync(new Uri(address, "/health/ready"));
            await Console.Out.WriteLineAsync((await response.Content.ReadAsStringAsync()).Trim());
            return response.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            await Console.Error.WriteLineAsync($"no answer from {address.Authority}: {e.Message}");
            return 1;
        }
    }
}
