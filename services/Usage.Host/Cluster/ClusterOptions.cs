using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace Usage.Host.Cluster;

/// <summary>How many instances there may be. Section "Usage:Cluster".</summary>
public sealed class ClusterOptions
{
    public const string Section = "Usage:Cluster";
    private const string PostgresMode = "Postgres";

    /// <summary>Single (default): this is the only instance, and needs nothing more. Postgres: instances find each other in usage's own database.</summary>
    [AllowedValues("Single", PostgresMode, ErrorMessage = "Usage__Cluster__Mode must be Single or Postgres")]
    public string Mode { get; init; } = "Single";

    /// <summary>The port at which other instances reach this one. Default 11111; 0 takes a free one. Not for the world: it asks nobody who he is.</summary>
    [Range(0, 65535, ErrorMessage = "Usage__Cluster__Port must be a port from 0 to 65535")]
    public int Port { get; init; } = 11_111;

    /// <summary>The IP address, or a name of it, at which other instances reach this one. Default: the machine's first that is not loopback.</summary>
    public string Address { get; init; } = "";

    /// <summary>
    /// How long an instance may leave a probe unanswered, in seconds; after three of them the others go on without it. Default 1. More where
    /// machines are so busy that a living one may pause for longer.
    /// </summary>
    [Range(1, 60, ErrorMessage = "Usage__Cluster__ProbeSeconds must be from 1 to 60 seconds")]
    public int ProbeSeconds { get; init; } = 1;

    internal bool IsPostgres => Mode == PostgresMode;

    /// <summary>Where the others reach this instance.</summary>
    /// <exception cref="OptionsValidationException">The address is none of this machine, or its name is unknown.</exception>
    internal IPEndPoint Resolve()
    {
        try
        {
            var address = ResolveAddress();
            return new(address, ResolvePort(address));
        }
        catch (SocketException e)
        {
            throw new OptionsValidationException(nameof(ClusterOptions), typeof(ClusterOptions), [$"Usage__Cluster__Address must be an address of this machine, or a name of it that it knows ({Address}: {e.Message})"]);
        }
    }

    private IPAddress ResolveAddress()
    {
        if (IPAddress.TryParse(Address, out var literal)) return literal;
        var found = Dns.GetHostAddresses(Address.Length > 0 ? Address : Dns.GetHostName());
        return found.FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(a)) ?? found.FirstOrDefault() ?? IPAddress.Loopback;
    }

    /// <summary>A free one is looked for at the address: so is, with any other, whether that is of this machine.</summary>
    private int ResolvePort(IPAddress address)
    {
        using var listener = new TcpListener(address, 0);
        listener.Start();
        return Port != 0 ? Port : ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
