using System.CommandLine;

namespace Cli.Commands;

/// <summary>Where a running service is: an option that only takes an address.</summary>
public static class ServiceAddress
{
    /// <summary>--billing, else the environment's BILLING_ADDRESS, else where docker compose publishes it.</summary>
    public static Option<Uri> Billing() => FromEnvironment("--billing", "BILLING_ADDRESS", "http://127.0.0.1:8281", "gRPC address of the billing service");

    /// <summary>--plan-design, else PLAN_DESIGN_ADDRESS, else where docker compose publishes it.</summary>
    public static Option<Uri> PlanDesign() => FromEnvironment("--plan-design", "PLAN_DESIGN_ADDRESS", "http://127.0.0.1:8081", "gRPC address of plan design");

    /// <summary>--usage, else USAGE_ADDRESS, else where docker compose publishes it.</summary>
    public static Option<Uri> Usage() => FromEnvironment("--usage", "USAGE_ADDRESS", "http://127.0.0.1:8181", "gRPC address of usage");

    private static Option<Uri> FromEnvironment(string name, string variable, string otherwise, string description) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? Of(name, set, description, variable) : Of(name, otherwise, description);

    /// <param name="variable">of the environment, where the address comes from there</param>
    public static Option<Uri> Of(string name, string address, string description, string? variable = null) => new(name)
    {
        Description = $"{description} (default {address})",
        DefaultValueFactory = result =>
        {
            if (Read(address) is { } uri) return uri;
            result.AddError($"{variable ?? name} is {address}, and must be an address such as http://127.0.0.1:8081");
            return null!;
        },
        CustomParser = result =>
        {
            if (Read(result.Tokens[0].Value) is { } uri) return uri;
            result.AddError($"{name} must be an address such as {(Read(address) is null ? "http://127.0.0.1:8081" : address)}");
            return null;
        },
    };

    private static Uri? Read(string address) => Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null;
}
