using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace Hosting;

/// <summary>How this service calls the others. Section "Calls".</summary>
public sealed class OutgoingOptions
{
    public const string Section = "Calls";

    /// <summary>The API key that it sends, of the scope service. A secret. Default none.</summary>
    [RegularExpression("^(bk_live_[0-9A-Za-z]{43,64})?$", ErrorMessage = "Calls__Key must be a whole API key: bk_live_ and its 64 hex digits")]
    public string Key { get; init; } = "";

    /// <summary>A PEM file with the certificates of the authorities that sign the others' certificates. Default none: those that the machine trusts.</summary>
    [Authority(ErrorMessage = "Calls__Authority must name a PEM file with at least one certificate")]
    public string? Authority { get; init; }

    public GrpcChannel Open(string address, int messageBytesMax = 64 << 20) => OutgoingCalls.Open(new Uri(address), Key, Authority, messageBytesMax);
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class AuthorityAttribute : ValidationAttribute
{
    public override bool IsValid(object? value)
    {
        if (string.IsNullOrEmpty((string?)value)) return true;
        try
        {
            return OutgoingCalls.ReadAuthority((string)value).Count > 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            return false;
        }
    }
}

/// <summary>gRPC channels that carry a key, and trust an authority of one's own.</summary>
public static class OutgoingCalls
{
    // After a long outage a channel would look every two minutes whether the service is back.
    private static readonly TimeSpan LooksAgainAfter = TimeSpan.FromSeconds(5);

    /// <param name="key">null or empty sends none</param>
    /// <param name="authority">a PEM file; null or empty trusts whom the machine trusts</param>
    public static GrpcChannel Open(Uri address, string? key, string? authority, int messageBytesMax)
    {
        var sockets = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true, PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            // A machine that vanishes closes nothing: without these, calls would go to it until TCP gives up, a quarter of an hour later.
            ConnectTimeout = TimeSpan.FromSeconds(5), KeepAlivePingDelay = TimeSpan.FromSeconds(15), KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
        };
        if (!string.IsNullOrEmpty(authority)) sockets.SslOptions.CertificateChainPolicy = Trusting(ReadAuthority(authority));
        HttpMessageHandler handler = string.IsNullOrEmpty(key) ? sockets : new WithKey(key, sockets);
        return GrpcChannel.ForAddress(address, new()
        {
            HttpHandler = handler, DisposeHttpClient = true, MaxReceiveMessageSize = messageBytesMax, MaxSendMessageSize = messageBytesMax, MaxReconnectBackoff = LooksAgainAfter,
        });
    }

    internal static X509Certificate2Collection ReadAuthority(string file)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPemFile(file);
        return certificates;
    }

    private static X509ChainPolicy Trusting(X509Certificate2Collection authorities)
    {
        // A private authority has no list of what it took back.
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }

    private sealed class WithKey(string key, HttpMessageHandler inner) : DelegatingHandler(inner)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {key}");
            return base.SendAsync(request, cancellationToken);
        }
    }
}
