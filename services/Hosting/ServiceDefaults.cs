using System.Net.Security;
using System.Net.Sockets;
using Grpc.HealthCheck;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Serilog;
using Serilog.Events;
using Serilog.Formatting.Compact;

namespace Hosting;

/// <summary>What every service has: logs, configuration checked at start, two ports, health, telemetry, the business clock.</summary>
public static class ServiceDefaults
{
    /// <param name="name">The service's name in logs, traces and health checks, such as "usage".</param>
    /// <param name="statusOf">The host's one switch from refusal codes to gRPC statuses.</param>
    /// <param name="configure">Adds the last configuration source, so that a test or the demo can set its own addresses.</param>
    public static WebApplicationBuilder CreateBuilder(
        string name, string[] args, Func<string, Grpc.Core.StatusCode> statusOf, Action<WebApplicationBuilder>? configure)
    {
        // Settings are read once, at start. To see whether a file of them changes, .NET would watch every folder below the one it was started in: in a checkout, the data of the private
        // database among them.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = ["--hostBuilder:reloadConfigOnChange=false", .. args] });
        configure?.Invoke(builder);

        builder.Host.UseSerilog((context, log) => Configure(log, name, context.Configuration), preserveStaticLogger: true);

        builder.AddValidatedOptions<HttpOptions>(HttpOptions.Section);
        builder.AddValidatedOptions<LogOptions>(LogOptions.Section);
        builder.AddValidatedOptions<ClockOptions>(ClockOptions.Section);
        builder.AddValidatedOptions<OutgoingOptions>(OutgoingOptions.Section);
        builder.Services.AddOptions<ClockOptions>().Validate(clock => !(clock.IsSimulated && builder.Environment.IsProduction()),
            "Clock__Mode=Simulated is refused in Production: set ASPNETCORE_ENVIRONMENT to something else, such as Demo");
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // This runs while the host is built; a wrong value is said when it is started.
            if (ReadHttp(kestrel.ApplicationServices) is not { } http) return;
            kestrel.AddServerHeader = false;
            // A client whose machine has gone says nothing more: what is kept for its streams must not be kept for ever.
            kestrel.Limits.Http2.KeepAlivePingDelay = kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(http.PingSeconds);
            var certificate = http.HasCertificate ? new ServerCertificate(http) : null;
            // Without TLS one port cannot serve both HTTP/1.1 (health, pages) and HTTP/2 (gRPC).
            kestrel.Listen(http.IPAddress, http.Port, o => Serve(o, HttpProtocols.Http1, certificate));
            kestrel.Listen(http.IPAddress, http.GrpcPort, o => Serve(o, HttpProtocols.Http2, certificate));
        });
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(20));

        builder.AddWebPages();
        builder.Services.AddGrpc(o => o.Interceptors.Add<StatusInterceptor>());
        builder.Services.AddSingleton(new RefusalStatus(statusOf));
        builder.Services.AddSingleton<StatusInterceptor>();
        builder.Services.AddSingleton<WatchedHealth>();
        builder.Services.AddSingleton<Readiness>();
        builder.Services.AddHostedService<HealthReporter>();
        builder.Services.AddSingleton(services => services.GetRequiredService<IOptions<ClockOptions>>().Value.Build());

        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(r => r.AddService(name))
            .WithMetrics(m => m.AddAspNetCoreInstrumentation().AddMeter("Npgsql", "Billing.*").AddPrometheusExporter());
        // Spans that nobody collects would cost a fifth of a call. Without them logs carry trace ids all the same.
        if (!string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
        {
            telemetry.WithTracing(t => t.AddAspNetCoreInstrumentation().AddSource("Grpc.Net.Client", "System.Net.Http", "Npgsql", "MassTransit").AddOtlpExporter())
                .WithMetrics(m => m.AddOtlpExporter());
        }
        return builder;
    }

    private static void Serve(ListenOptions port, HttpProtocols protocols, ServerCertificate? certificate)
    {
        port.Protocols = protocols;
        if (certificate is null) return;
        var applications = protocols == HttpProtocols.Http2 ? SslApplicationProtocol.Http2 : SslApplicationProtocol.Http11;
        port.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions { ServerCertificateContext = certificate.Current, ApplicationProtocols = [applications] }),
        });
    }

    /// <summary>An option class as it stands, for what is needed while the host is built. A value that cannot be read is said when it is started; until then the defaults do.</summary>
    public static TOptions ReadOr<TOptions>(this WebApplicationBuilder builder, string section, TOptions defaults)
        where TOptions : class
    {
        try { return builder.Configuration.GetSection(section).Get<TOptions>() ?? defaults; }
        catch (InvalidOperationException) { return defaults; }
    }

    private static void Configure(LoggerConfiguration log, string service, IConfiguration configuration)
    {
        var minimum = new LogOptions { Minimum = configuration[$"{LogOptions.Section}:Minimum"] ?? nameof(LogEventLevel.Information) }.Level;
        WriteTo(log, configuration[$"{LogOptions.Section}:File"])
            .MinimumLevel.Is(minimum)
            .Enrich.FromLogContext()
            .Enrich.WithProperty("Service", service)
            // Who publishes says once that no queue takes it yet, and tries again; the bus would say it of every message, with its stack.
            .Filter.ByExcluding(e => e.Exception is MassTransit.MessageReturnedException && Serilog.Filters.Matching.FromSource("MassTransit")(e))
            // RunServiceAsync says why a start failed in one line; these would say it again with their stacks.
            .Filter.ByExcluding(e => e.MessageTemplate.Text is "Hosting failed to start" or "Unable to start Kestrel.")
            // Who stops before all had started, has said why: that the bus was not started yet is no trouble of its own.
            .Filter.ByExcluding(e => e.MessageTemplate.Text.StartsWith("Failed to stop bus", StringComparison.Ordinal) && e.Properties.TryGetValue("Reason", out var why) && why is ScalarValue { Value: "Not Started" });
        foreach (var library in (ReadOnlySpan<string>)["Microsoft.AspNetCore", "Grpc", "MassTransit", "Marten", "JasperFx", "Orleans"]) Quieten(library, LogEventLevel.Warning);
        // Orleans tells of every attempt to place a grain, through this; what fails for good comes out as the exception.
        Quieten("Polly", LogEventLevel.Fatal);
        // It takes the age of the machine for a pause, once at every start.
        Quieten("Orleans.Runtime.Watchdog", LogEventLevel.Error);

        // An override replaces the minimum: it must never let through more than was asked for.
        void Quieten(string source, LogEventLevel least) => log.MinimumLevel.Override(source, least > minimum ? least : minimum);
    }

    // Standard output belongs to what a program prints for its caller; a container's log collects standard error as well.
    private static LoggerConfiguration WriteTo(LoggerConfiguration log, string? file) => file is null
        ? log.WriteTo.Console(new RenderedCompactJsonFormatter(), standardErrorFromLevel: LogEventLevel.Verbose)
        : log.WriteTo.File(new RenderedCompactJsonFormatter(), file, shared: true);

    /// <summary>Binds an option class to its section and checks its data annotations before anything starts.</summary>
    public static void AddValidatedOptions<TOptions>(this WebApplicationBuilder builder, string section)
        where TOptions : class =>
        builder.Services.AddSingleton<IValidateOptions<TOptions>, Annotations<TOptions>>()
            .AddOptions<TOptions>().Bind(builder.Configuration.GetSection(section)).ValidateOnStart();

    public static void MapServiceDefaults(this WebApplication app)
    {
        app.UseWebPages();
        app.UseAccess();
        app.MapGrpcService<WatchedHealth>();
        app.MapGrpcService<ClockService>();
        app.MapGrpcService<AccessKeysService>();
        app.MapHealth();
        app.MapPrometheusScrapingEndpoint(AccessSetup.MetricsPath).WithMetadata(new IsMetrics());
    }

    /// <summary>Runs until told to stop, be it while it still starts. A wrong option or a taken port ends in one clear line and exit code 1.</summary>
    public static async Task<int> RunServiceAsync(this WebApplication app)
    {
        string? why = null;
        try
        {
            // Before the host makes its services: a wrong connection string must be named by its option, not by whoever meets it first.
            app.Services.GetRequiredService<IStartupValidator>().Validate();
            await app.StartAsync();
        }
        catch (Exception e) when ((why = WhyNotStarted(e)) is not null)
        {
            // Said below, after whatever had started has had its last word.
        }
        catch (OperationCanceledException) when (app.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // Told to stop before all had started, by a signal or by itself: what has begun is stopped like any other time.
        }
        if (why is null) await app.WaitForShutdownAsync();
        await app.DisposeAsync();
        if (why is not null) await Console.Error.WriteLineAsync($"cannot start: {why}");
        return why is null ? 0 : 1;
    }

    private static string? WhyNotStarted(Exception e) => e switch
    {
        OptionsValidationException wrong => string.Join("; ", wrong.Failures),
        AggregateException many when many.InnerExceptions.All(x => x is OptionsValidationException or InvalidOperationException) =>
            string.Join("; ", many.InnerExceptions.Select(x => WhyNotStarted(x) ?? x.Message)),
        // The configuration binder names the key and the value that it could not read.
        InvalidOperationException { InnerException: FormatException or OverflowException or ArgumentException } unreadable => unreadable.Message,
        IOException { InnerException: AddressInUseException } taken => $"{taken.Message.TrimEnd('.')}: set Http__Port and Http__GrpcPort to free ports",
        SocketException { SocketErrorCode: SocketError.AccessDenied or SocketError.AddressNotAvailable } socket =>
            $"{socket.Message}: choose another Http__Address, Http__Port or Http__GrpcPort",
        _ => null,
    };

    internal static HttpOptions? ReadHttp(IServiceProvider services)
    {
        try
        {
            return services.GetRequiredService<IOptions<HttpOptions>>().Value;
        }
        catch (Exception e) when (e is OptionsValidationException or InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>Where the started host listens: HTTP/1.1 first, gRPC second. Real ports, also when 0 was asked for.</summary>
    public static (Uri Http, Uri Grpc) Endpoints(this WebApplication app)
    {
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        var uris = addresses.Select(a => new UriBuilder(a.Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal)).Uri).ToArray();
        return (uris[0], uris[1]);
    }
}
