using Cli.Commands;
using Contracts.PlanDesign.V1;

namespace Cli.Tests;

/// <summary>--overage of billing menu publish, as it is written and as it is sent.</summary>
public sealed class OverageInputTests
{
    public static TheoryData<string, OveragePrice> Prices => new()
    {
        { "12.50", new() { Kind = "output", PerMillionTokens = "12.50" } },
        { "graduated:12.50@1000000,10@5000000,8", new() { Kind = "output", Model = "graduated", Tiers = { Tier("12.50", 1_000_000), Tier("10", 5_000_000), Tier("8", 0) } } },
        { "volume:12.50@1000000,8", new() { Kind = "output", Model = "volume", Tiers = { Tier("12.50", 1_000_000), Tier("8", 0) } } },
        { "package:2.00/100000", new() { Kind = "output", Model = "package", PackageTokens = 100_000, PackagePriceMicros = 2_000_000 } },
    };

    [Theory, MemberData(nameof(Prices))]
    public void A_price_is_read_by_its_model(string text, OveragePrice price) => Assert.Equal(price, OverageInput.Read("output", text));

    [Theory]
    [InlineData("package:2.00")]
    [InlineData("package:2.00/")]
    [InlineData("package:two/100000")]
    [InlineData("package:2.00/0")]
    [InlineData("volume:12.50@many,8")]
    [InlineData("cheap:1")]
    public void What_is_no_price_is_refused_with_what_would_be(string text) => Assert.Contains(text, Assert.Throws<UserException>(() => OverageInput.Read("output", text)).Message, StringComparison.Ordinal);

    private static PriceTier Tier(string price, long upTo) => new() { PerMillionTokens = price, UpTo = upTo };
}
