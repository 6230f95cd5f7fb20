using System.CommandLine;

namespace Cli.Commands;

/// <summary>Where a running service is: an option that only takes an address.</summary>
public static class ServiceAddress
{
    /// <summary>--billing, else the environment's BILLING_ADDRESS, else where docker compose publishes it.</summary>
    public static Option<Uri> Billing() => Of("--billing", Environment.GetEnvironmentVariable("BILLING_ADDRESS") ?? "http://127.0.0.1:8281", "gRPC address of the billing service");

    /// <summary>--plan-design, else PLAN_DESIGN_ADDRESS, else where docker compose publishes it.</summary>
    public static Option<Uri> PlanDesign() => Of("--plan-design", Environment.GetEnvironmentVariable("PLAN_DESIGN_ADDRESS") ?? "http://127.0.0.1:8081", "gRPC address of plan design");

    /// <summary>--usage, else USAGE_ADDRESS, else where docker compose publishes it.</summary>
    public static Option<Uri> Usage() => Of("--usage", Environment.GetEnvironmentVariable("USAGE_ADDRESS") ?? "http://127.0.0.1:8181", "gRPC address of usage");

    public static Option<Uri> Of(string name, string address, string description) => new(name)
    {
        Description = $"{description} (default {address})",
        DefaultValueFactory = _ => new Uri(address),
        CustomParser = result =>
        {
            if (Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https") return uri;
            result.AddError($"{name} must be an address such as {address}");
            return null;
        },
    };
}
