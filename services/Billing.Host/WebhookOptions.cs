using System.ComponentModel.DataAnnotations;
using System.Net;
using Billing.Webhooks;

namespace Billing.Host;

/// <summary>How webhooks are sent. Section "Billing:Webhooks".</summary>
public sealed class WebhookOptions
{
    public const string Section = "Billing:Webhooks";

    /// <summary>What every event names as its source, a URI reference. Default /billing; name each deployment differently whose events one receiver hears.</summary>
    [RegularExpression("^[!-~]{1,200}$", ErrorMessage = "Billing__Webhooks__Source must be a URI reference such as /billing or https://billing.example.com")]
    public string Source { get; init; } = "/billing";

    /// <summary>Whether endpoints may have http: addresses, which anybody on the way reads. Default false; for trying things out.</summary>
    public bool AllowHttp { get; init; }

    /// <summary>Networks that are not public and may be sent to all the same, in CIDR notation, separated by commas: 10.1.0.0/16, fd00::/8. Default none.</summary>
    [Networks(ErrorMessage = "Billing__Webhooks__AllowedNetworks must be networks in CIDR notation separated by commas, such as 10.1.0.0/16,fd00::/8")]
    public string AllowedNetworks { get; init; } = "";

    /// <summary>Seconds (real time) that an endpoint has to answer in. Default 15, at most 60.</summary>
    [Range(0.1, 60, ErrorMessage = "Billing__Webhooks__TimeoutSeconds must be from 0.1 to 60")]
    public double TimeoutSeconds { get; init; } = 15;

    /// <summary>Seconds (real time) between two looks for deliveries that are due. Default 1, at most an hour.</summary>
    [Range(0.05, 3_600, ErrorMessage = "Billing__Webhooks__PollSeconds must be from 0.05 to 3600")]
    public double PollSeconds { get; init; } = 1;

    /// <summary>Deliveries that one instance sends at once. Default 32, at most 1,000.</summary>
    [Range(1, 1_000, ErrorMessage = "Billing__Webhooks__SendsMax must be from 1 to 1000")]
    public int SendsMax { get; init; } = 32;

    /// <summary>Deliveries that are on their way to one endpoint at once: one that stalls holds up no other. Default 4, at most 100. Instances that look at the same moment may each send so many.</summary>
    [Range(1, 100, ErrorMessage = "Billing__Webhooks__SendsPerEndpointMax must be from 1 to 100")]
    public int SendsPerEndpointMax { get; init; } = 4;

    /// <summary>Days (business time) for which what was delivered or given up is listed. Default 90, at most 3,650. Whatever happened can be replayed for ever.</summary>
    [Range(1, 3_650, ErrorMessage = "Billing__Webhooks__KeepDays must be from 1 to 3650")]
    public int KeepDays { get; init; } = 90;

    /// <summary>What was delivered or given up before is not listed any more.</summary>
    internal DateTimeOffset KeptSince(DateTimeOffset now) => now.AddDays(-KeepDays);

    internal TimeSpan Timeout => TimeSpan.FromSeconds(TimeoutSeconds);

    internal ReachableNetworks Networks => new(AllowHttp, NetworksAttribute.Parse(AllowedNetworks)!.ToValueList());
}

[AttributeUsage(AttributeTargets.Property)]
public sealed class NetworksAttribute : ValidationAttribute
{
    public override bool IsValid(object? value) => Parse(value as string ?? "") is not null;

    internal static IPNetwork[]? Parse(string text)
    {
        var parts = text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var networks = new List<IPNetwork>();
        foreach (var part in parts)
        {
            if (!IPNetwork.TryParse(part, out var network)) return null;
            networks.Add(network);
        }
        return [.. networks];
    }
}
