using System.ComponentModel.DataAnnotations;
using Grpc.AspNetCore.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Hosting;

/// <summary>
/// Pages in browsers, which speak gRPC-Web over HTTP/1.1: the methods that a customer's key may call, on the HTTP port, for the origins that
/// Http__AllowedOrigins names. No other method is answered there, and none at all where no origin is named.
/// </summary>
internal static class WebPages
{
    // What a client may read of an answer besides its content.
    private static readonly string[] Readable = ["Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"];
    private static readonly TimeSpan PreflightHolds = TimeSpan.FromHours(1);

    public static void AddWebPages(this WebApplicationBuilder builder)
    {
        builder.Services.AddCors();
        builder.Services.AddOptions<CorsOptions>().Configure<IOptions<HttpOptions>>((cors, http) => cors.AddDefaultPolicy(policy =>
            policy.WithOrigins(http.Value.AllowedOrigins).WithMethods("POST").AllowAnyHeader().WithExposedHeaders(Readable).SetPreflightMaxAge(PreflightHolds)));
    }

    public static void UseWebPages(this WebApplication app)
    {
        // A wrong value is said when the service is started.
        if (ServiceDefaults.ReadHttp(app.Services) is not { AllowedOrigins.Length: > 0 }) return;
        app.UseRouting();
        app.UseCors();
        var methods = app.Services.GetRequiredService<MethodScopes>();
        app.UseWhen(call => methods.Of(call.Request.Path).HasFlag(Scope.Customer), pages => pages.UseGrpcWeb(new GrpcWebOptions { DefaultEnabled = true }));
    }
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class OriginsAttribute : ValidationAttribute
{
    /// <summary>Scheme, host and port, and nothing after them: anything else would never match what a browser says.</summary>
    public override bool IsValid(object? value) => value is string[] origins && origins.All(o =>
        Uri.TryCreate(o, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && o == uri.GetLeftPart(UriPartial.Authority));
}
