using System.Security.Cryptography;
using Grpc.Net.Client;
using Hosting;

namespace Cli.Commands;

/// <summary>How every command reaches a service: with the API key in BILLING_API_KEY, trusting the authority in BILLING_AUTHORITY (a PEM file) where that is set.</summary>
public static class ServiceChannel
{
    public const string KeyVariable = "BILLING_API_KEY", AuthorityVariable = "BILLING_AUTHORITY";

    /// <summary>The same, for what asks services by itself.</summary>
    public static OutgoingOptions Outgoing => new() { Key = Environment.GetEnvironmentVariable(KeyVariable)?.Trim() ?? "", Authority = Environment.GetEnvironmentVariable(AuthorityVariable) };

    /// <exception cref="UserException">The authority cannot be read.</exception>
    public static GrpcChannel Open(Uri address, int messageBytesMax = 64 << 20)
    {
        var authority = Environment.GetEnvironmentVariable(AuthorityVariable);
        try
        {
            return OutgoingCalls.Open(address, Environment.GetEnvironmentVariable(KeyVariable)?.Trim(), authority, messageBytesMax);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new UserException($"{AuthorityVariable}={authority}: {e.Message}");
        }
    }
}
