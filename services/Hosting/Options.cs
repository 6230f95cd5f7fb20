using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Hosting;

namespace Hosting;

/// <summary>Where a service listens. Section "Http".</summary>
public sealed class HttpOptions
{
    public const string Section = "Http";

    /// <summary>The IP address to listen on. Default 0.0.0.0 (all), as a container needs.</summary>
    [RegularExpression(@"^[0-9a-fA-F:.]+$", ErrorMessage = "Http__Address must be an IP address such as 127.0.0.1 or 0.0.0.0")]
    public string Address { get; init; } = "0.0.0.0";

    /// <summary>The HTTP/1.1 port: health. Default 8080; 0 takes a free one.</summary>
    [Range(0, 65535, ErrorMessage = "Http__Port must be a port from 0 to 65535")]
    public int Port { get; init; } = 8080;

    /// <summary>The HTTP/2 port: gRPC. Default 8081; 0 takes a free one.</summary>
    [Range(0, 65535, ErrorMessage = "Http__GrpcPort must be a port from 0 to 65535")]
    public int GrpcPort { get; init; } = 8081;

    internal IPAddress IPAddress => IPAddress.TryParse(Address, out var address) ? address : IPAddress.Loopback;
}

/// <summary>Where the broker is. Section "RabbitMq".</summary>
public sealed class RabbitMqOptions
{
    public const string Section = "RabbitMq";

    /// <summary>amqp://user:password@host:port/vhost. Default amqp://guest:guest@localhost:5672/.</summary>
    [RegularExpression("^amqps?://.+", ErrorMessage = "RabbitMq__Uri must be an amqp:// or amqps:// URI such as amqp://user:password@rabbitmq:5672/")]
    public string Uri { get; init; } = "amqp://guest:guest@localhost:5672/";
}

public enum ClockMode { Real, Simulated }

/// <summary>Which business clock runs. Section "Clock".</summary>
public sealed class ClockOptions
{
    public const string Section = "Clock";

    /// <summary>Real (default) or Simulated; Simulated is refused in Production.</summary>
    [EnumDataType(typeof(ClockMode), ErrorMessage = "Clock__Mode must be Real or Simulated")]
    public ClockMode Mode { get; init; } = ClockMode.Real;

    /// <summary>Where simulated time starts, ISO 8601 in UTC. Default 2026-01-01T00:00:00Z.</summary>
    [RegularExpression(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", ErrorMessage = "Clock__Start must be a UTC time such as 2026-01-01T00:00:00Z")]
    public string Start { get; init; } = "2026-01-01T00:00:00Z";

    internal BusinessClock Build(IHostEnvironment environment) => Mode switch
    {
        ClockMode.Simulated when environment.IsProduction() =>
            throw new InvalidOperationException("Clock__Mode=Simulated is refused in Production: set DOTNET_ENVIRONMENT to something else, such as Demo"),
        ClockMode.Simulated => BusinessClock.SimulatedFrom(DateTimeOffset.Parse(Start, CultureInfo.InvariantCulture)),
        _ => BusinessClock.Real(),
    };
}
