using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net;
using Microsoft.Extensions.Options;
using Npgsql;
using Serilog.Events;

namespace Hosting;

/// <summary>Holds options against their data annotations, and says what those say and nothing else.</summary>
internal sealed class Annotations<TOptions> : IValidateOptions<TOptions>
    where TOptions : class
{
    public ValidateOptionsResult Validate(string? name, TOptions options)
    {
        var found = new List<ValidationResult>();
        return Validator.TryValidateObject(options, new ValidationContext(options), found, validateAllProperties: true)
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(found.Select(f => f.ErrorMessage!));
    }
}

/// <summary>Where a service listens. Section "Http".</summary>
public sealed class HttpOptions
{
    public const string Section = "Http";

    /// <summary>The IP address to listen on. Default 0.0.0.0 (all), as a container needs.</summary>
    [IPAddress(ErrorMessage = "Http__Address must be an IP address such as 127.0.0.1 or 0.0.0.0")]
    public string Address { get; init; } = "0.0.0.0";

    /// <summary>The HTTP/1.1 port: health. Default 8080; 0 takes a free one.</summary>
    [Range(0, 65535, ErrorMessage = "Http__Port must be a port from 0 to 65535")]
    public int Port { get; init; } = 8080;

    /// <summary>The HTTP/2 port: gRPC. Default 8081; 0 takes a free one.</summary>
    [Range(0, 65535, ErrorMessage = "Http__GrpcPort must be a port from 0 to 65535")]
    public int GrpcPort { get; init; } = 8081;

    /// <summary>How long a gRPC connection may be silent before its client is asked whether it is there, in seconds; closed if no answer comes for as long again. Default 30.</summary>
    [Range(1, 3_600, ErrorMessage = "Http__PingSeconds must be from 1 to 3600 seconds")]
    public int PingSeconds { get; init; } = 30;

    /// <summary>TLS on both ports with this certificate: a PEM file (with intermediate ones after it), or a PFX file. Read again every minute. Default none: no TLS.</summary>
    [ServerCertificate]
    public string? Certificate { get; init; }

    /// <summary>The PEM file of its private key; not for a PFX file.</summary>
    public string? CertificateKey { get; init; }

    /// <summary>What the PFX file, or the PEM key, is encrypted with. A secret. Default: it is not.</summary>
    public string? CertificatePassword { get; init; }

    /// <summary>Origins of pages that may call the HTTP port by gRPC-Web, such as https://account.example.com: one for each index (Http__AllowedOrigins__0). Default none, and no gRPC-Web.</summary>
    [Origins(ErrorMessage = "Http__AllowedOrigins__N must be an origin such as https://account.example.com: no path, no *, nothing after the port")]
    public string[] AllowedOrigins { get; init; } = [];

    internal IPAddress IPAddress => IPAddress.Parse(Address);

    internal bool HasCertificate => !string.IsNullOrEmpty(Certificate);

    /// <summary>Where a program on this machine reaches the HTTP port.</summary>
    internal Uri OnThisMachine
    {
        get
        {
            var address = IPAddress.Equals(IPAddress.Any) ? IPAddress.Loopback : IPAddress.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : IPAddress;
            return new Uri($"{(HasCertificate ? "https" : "http")}://{new IPEndPoint(address, Port)}");
        }
    }
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class IPAddressAttribute : ValidationAttribute
{
    public override bool IsValid(object? value) => value is string text && IPAddress.TryParse(text, out _);
}

/// <summary>An Npgsql connection string with a host and a user. The message names the option and gives an example, never the value: it holds a password.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PostgresConnectionStringAttribute : ValidationAttribute
{
    public override bool IsValid(object? value)
    {
        // One that may be left out is null then.
        if (value is null) return true;
        try
        {
            var connection = new NpgsqlConnectionStringBuilder((string)value);
            return !string.IsNullOrEmpty(connection.Host) && !string.IsNullOrEmpty(connection.Username);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException)
        {
            return false;
        }
    }

    public override string FormatErrorMessage(string name) =>
        $"{name} must be a PostgreSQL connection string such as Host=localhost;Database=billing;Username=...;Password=...";
}

/// <summary>An address of another service: a scheme, a host, perhaps a port.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ServiceAddressAttribute : ValidationAttribute
{
    public override bool IsValid(object? value) =>
        Uri.TryCreate(value as string, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.Host.Length > 0 && uri.PathAndQuery == "/";
}

/// <summary>What is logged, as one JSON object a line. Section "Logging".</summary>
public sealed class LogOptions
{
    public const string Section = "Logging";

    /// <summary>The least level that is written. Default Information.</summary>
    [EnumDataType(typeof(LogEventLevel), ErrorMessage = "Logging__Minimum must be Verbose, Debug, Information, Warning, Error or Fatal")]
    public string Minimum { get; init; } = nameof(LogEventLevel.Information);

    /// <summary>A file that is appended to. Default none: standard error.</summary>
    public string? File { get; init; }

    internal LogEventLevel Level => Enum.TryParse<LogEventLevel>(Minimum, out var level) ? level : LogEventLevel.Information;
}

/// <summary>Where the broker is. Section "RabbitMq".</summary>
public sealed class RabbitMqOptions
{
    public const string Section = "RabbitMq";

    /// <summary>amqp://user:password@host:port/vhost. Default amqp://guest:guest@localhost:5672/.</summary>
    [AmqpUri(ErrorMessage = "RabbitMq__Uri must be an amqp:// or amqps:// URI such as amqp://user:password@rabbitmq:5672/")]
    public string Uri { get; init; } = "amqp://guest:guest@localhost:5672/";

    /// <summary>
    /// Quorum queues, for a cluster of three brokers or more; else durable classic ones. Default false. A queue keeps the type that it was made with: to change it, delete
    /// the queues while the services are stopped. Reports of usage that were in them are fetched; menus and snapshots are published again by order (<see cref="PublishAgain"/>).
    /// </summary>
    public bool QuorumQueues { get; init; }
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class AmqpUriAttribute : ValidationAttribute
{
    public override bool IsValid(object? value) =>
        System.Uri.TryCreate(value as string, UriKind.Absolute, out var uri) && uri.Scheme is "amqp" or "amqps" && uri.Host.Length > 0;
}

public enum ClockMode { Real, Simulated }

/// <summary>Which business clock runs. Section "Clock".</summary>
public sealed class ClockOptions
{
    public const string Section = "Clock";

    /// <summary>Real (default) or Simulated; Simulated is refused in Production.</summary>
    [EnumDataType(typeof(ClockMode), ErrorMessage = "Clock__Mode must be Real or Simulated")]
    public string Mode { get; init; } = nameof(ClockMode.Real);

    /// <summary>Where simulated time starts, ISO 8601 in UTC. Default 2026-01-01T00:00:00Z.</summary>
    [UtcTime(ErrorMessage = "Clock__Start must be a UTC time such as 2026-01-01T00:00:00Z")]
    public string Start { get; init; } = "2026-01-01T00:00:00Z";

    internal bool IsSimulated => Mode == nameof(ClockMode.Simulated);

    internal BusinessClock Build() => IsSimulated ? BusinessClock.SimulatedFrom(UtcTimeAttribute.Parse(Start)!.Value) : BusinessClock.Real();
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class UtcTimeAttribute : ValidationAttribute
{
    public override bool IsValid(object? value) => Parse(value as string) is not null;

    internal static DateTimeOffset? Parse(string? text) => DateTimeOffset.TryParseExact(
        text, "yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
}
