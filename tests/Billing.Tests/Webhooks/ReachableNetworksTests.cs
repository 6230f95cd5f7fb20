using System.Net;
using Billing.Webhooks;

namespace Billing.Tests.Webhooks;

public sealed class ReachableNetworksTests
{
    private static readonly ReachableNetworks Public = new(Http: false, []), Lab = new(Http: true, [IPNetwork.Parse("127.0.0.1/32"), IPNetwork.Parse("fd00::/8")]);

    [Theory]
    [InlineData("8.8.8.8", true)]
    [InlineData("2606:4700::1111", true)]
    [InlineData("::ffff:8.8.8.8", true)]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.255.255.254", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("10.1.2.3", false)]
    [InlineData("172.16.0.1", false)]
    [InlineData("172.32.0.1", true)]
    [InlineData("192.168.1.1", false)]
    [InlineData("169.254.169.254", false)] // where clouds tell their machines secrets
    [InlineData("100.64.0.1", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("255.255.255.255", false)]
    [InlineData("::1", false)]
    [InlineData("::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("fd00:ec2::254", false)]
    [InlineData("ff02::1", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("::ffff:169.254.169.254", false)]
    [InlineData("64:ff9b::7f00:1", false)] // 127.0.0.1 behind a translator
    [InlineData("2002:7f00:1::", false)] // and behind a tunnel
    [InlineData("2001:0:7f00:1::", false)]
    public void Only_the_public_internet_is_reached(string address, bool reached) => Assert.Equal(reached, Public.Allows(IPAddress.Parse(address)));

    [Fact]
    public void What_the_operator_names_is_reached_and_nothing_beside_it()
    {
        Assert.Equal([true, true, false, true], new[] { "127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2", "fd00::1" }.Select(a => Lab.Allows(IPAddress.Parse(a))));
    }

    [Theory]
    [InlineData("https://example.com/a?b=c", null)]
    [InlineData("https://8.8.8.8:8443/", null)]
    [InlineData("http://example.com/", "https://")]
    [InlineData("ftp://example.com/", "https://")]
    [InlineData("/billing", "not an address")]
    [InlineData("https://", "not an address")]
    [InlineData("https://user:pass@example.com/", "a user")]
    [InlineData("https://example.com/#part", "fragment")]
    [InlineData("https://127.0.0.1/", "127.0.0.1")]
    [InlineData("https://2130706433/", "127.0.0.1")]
    [InlineData("https://0x7f.1/", "127.0.0.1")]
    [InlineData("https://[::ffff:10.0.0.1]/", "::ffff:10.0.0.1")]
    public void An_address_that_cannot_be_meant_is_named(string url, string? wrong)
    {
        if (wrong is null) Assert.Null(Public.WrongWith(url));
        else Assert.Contains(wrong, Public.WrongWith(url), StringComparison.Ordinal);
    }

    [Fact]
    public void Http_is_taken_where_the_operator_says_so() => Assert.Null(Lab.WrongWith("http://127.0.0.1:49152/hooks"));
}
