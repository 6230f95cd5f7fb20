using System.Collections.Frozen;

namespace Hosting;

/// <summary>
/// Which scopes may call which method of a service: of those that are named one is enough. A method that nobody has put here is denied to everybody
/// while keys are asked for, so a new one must be thought about.
/// </summary>
public sealed class MethodScopes
{
    private readonly FrozenDictionary<string, Scope> _methods;

    /// <param name="methods">of the service's own contracts; what every service offers is added</param>
    public MethodScopes(IEnumerable<KeyValuePair<string, Scope>> methods) => _methods = Common.Concat(methods).ToFrozenDictionary(StringComparer.Ordinal);

    private static Dictionary<string, Scope> Common => new()
    {
        ["clock.v1.BusinessClock/Get"] = Scopes.Any,
        ["clock.v1.BusinessClock/Advance"] = Scope.Admin,
        ["access.v1.AccessKeys/RegisterKey"] = Scope.Admin,
        ["access.v1.AccessKeys/ListKeys"] = Scope.Admin,
        ["access.v1.AccessKeys/RevokeKey"] = Scope.Admin,
    };

    /// <summary>Whether anybody may call it: a health check has no key.</summary>
    /// <param name="method">as gRPC writes it, with a slash before</param>
    public static bool IsOpen(string method) => method.StartsWith("/grpc.health.v1.Health/", StringComparison.Ordinal);

    /// <summary>The names of the contracts that are offered, such as usage.v1.TokenMeter.</summary>
    public IEnumerable<string> Contracts => _methods.Keys.Select(method => method[..method.IndexOf('/', StringComparison.Ordinal)]).Distinct();

    /// <returns>None for a method that is not here</returns>
    public Scope Of(string method) => _methods.GetValueOrDefault(method.TrimStart('/'));
}
