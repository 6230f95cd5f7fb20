using System.Net;

namespace Billing.Webhooks;

/// <summary>
/// Where webhooks may be sent to: addresses of the public internet, and what the operator names besides. An endpoint is anybody's word; without this it could make billing
/// knock at what only billing reaches.
/// </summary>
/// <param name="Http">whether http: is taken too, which anybody on the way reads</param>
/// <param name="Allowed">networks that are allowed although they are not public</param>
public sealed record ReachableNetworks(bool Http, ValueList<IPNetwork> Allowed)
{
    private const int UrlLengthMax = 2_000;

    // IANA's registries of special-purpose addresses: what is not globally reachable, and what embeds other addresses.
    private static readonly IPNetwork[] Special =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        }.Select(IPNetwork.Parse),
    ];

    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");

    public bool Allows(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (Allowed.Any(n => n.Contains(plain))) return true;
        return (plain.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork || GlobalUnicast.Contains(plain)) && !Special.Any(n => n.Contains(plain));
    }

    /// <returns>what is wrong with an endpoint's address, as far as it can be told without asking anybody; null when nothing is</returns>
    public string? WrongWith(string url)
    {
        if (url.Length > UrlLengthMax || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Host.Length == 0) return $"'{Short(url)}' is not an address such as https://example.com/billing";
        if (uri.Scheme != "https" && !(Http && uri.Scheme == "http")) return $"'{Short(url)}' must begin with https://: what is sent is nobody else's business";
        if (uri.UserInfo.Length > 0 || uri.Fragment.Length > 0) return "a user, a password or a fragment has no place in the address: deliveries are signed";
        return IPAddress.TryParse(uri.IdnHost.Trim('[', ']'), out var address) && !Allows(address) ? Refused(address) : null;
    }

    public static string Refused(IPAddress address) => $"{address} is not an address of the public internet, and no network of Billing__Webhooks__AllowedNetworks has it";

    private static string Short(string url) => url.Length <= 100 ? url : url[..100] + "…";
}
