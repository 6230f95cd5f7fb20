using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;

namespace Hosting;

/// <summary>Put on an HTTP endpoint: whose key it needs. gRPC methods stand in <see cref="MethodScopes"/>.</summary>
public sealed record NeedsScope(Scope Scopes);

/// <summary>Put on the endpoint of metrics, which <see cref="AccessOptions.Metrics"/> opens or shuts: however its path is written, it is this one.</summary>
internal sealed record IsMetrics;

public static class AccessSetup
{
    internal const string MetricsPath = "/metrics";

    /// <param name="methods">which scopes may call which method</param>
    /// <param name="schema">the service's own, for its list of keys</param>
    public static void AddAccess(this WebApplicationBuilder builder, MethodScopes methods, string schema, Func<IServiceProvider, NpgsqlDataSource> database)
    {
        builder.AddValidatedOptions<AccessOptions>(AccessOptions.Section);
        builder.Services.AddOptions<AccessOptions>().Validate(access => access.Mode.Length > 0 || !builder.Environment.IsProduction(),
            "Access__Mode must be said in Production: Keys lets in whoever has an API key, and Open everybody who reaches the ports");
        builder.Services.AddSingleton(methods);
        builder.Services.AddSingleton(services => new AccessKeyTable(database(services), schema));
        builder.Services.AddSingleton<KeyRing>();
        builder.Services.AddHostedService(services => services.GetRequiredService<KeyRing>());
        builder.Services.AddSingleton<Admission>();
        builder.Services.AddSingleton<AccessInterceptor>();
        builder.Services.AddGrpc(o => o.Interceptors.Add<AccessInterceptor>());
    }

    internal static void UseAccess(this WebApplication app)
    {
        var options = app.Services.GetRequiredService<IOptions<AccessOptions>>();
        app.Use(async (context, next) =>
        {
            // Keys are asked for here over HTTP alone; gRPC methods are in the interceptor's table.
            var needed = context.GetEndpoint()?.Metadata.GetMetadata<NeedsScope>()?.Scopes
                ?? (context.GetEndpoint()?.Metadata.GetMetadata<IsMetrics>() is not null && options.Value.MetricsNeedKey ? Scope.Service : null);
            if (needed is { } scopes && context.RequestServices.GetRequiredService<Admission>() is { IsOpen: false } admission)
            {
                var (key, turned) = admission.Ask(context.Request.Headers.Authorization, scopes, $"{context.Request.Method} {context.Request.Path}");
                if (turned is not null)
                {
                    await TurnAwayAsync(context, turned);
                    return;
                }
                Caller.Set(context, key!);
            }
            await next(context);
        });
    }

    /// <summary>The gRPC methods that a host offers and its table of scopes does not have. A test holds this against nothing.</summary>
    public static IEnumerable<string> WithoutScope(this WebApplication app)
    {
        var methods = app.Services.GetRequiredService<MethodScopes>();
        return ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints)
            .Select(endpoint => endpoint.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.FullName).OfType<string>()
            .Where(method => !MethodScopes.IsOpen(method) && methods.Of(method) == Scope.None).Distinct();
    }

    private static async Task TurnAwayAsync(HttpContext context, Turned turned)
    {
        var status = turned.Status switch
        {
            StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
            StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
            _ => StatusCodes.Status503ServiceUnavailable,
        };
        if (status == StatusCodes.Status401Unauthorized) context.Response.Headers.WWWAuthenticate = "Bearer";
        if (status == StatusCodes.Status503ServiceUnavailable) context.Response.Headers.RetryAfter = "1";
        await Results.Problem(new ProblemDetails { Status = status, Title = "Not let in", Detail = turned.Detail, Extensions = { ["reason"] = turned.Reason } }).ExecuteAsync(context);
    }
}
