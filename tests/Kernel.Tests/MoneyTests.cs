using System.Text.Json;

namespace Kernel.Tests;

public class MoneyTests
{
    [Fact]
    public void Money_in_JSON_is_a_whole_number_of_micros_and_a_unit_price_a_decimal_string()
    {
        Assert.Equal("9600000", JsonSerializer.Serialize(new Micros(9_600_000)));
        Assert.Equal(new Micros(-7), JsonSerializer.Deserialize<Micros>("-7"));
        Assert.Equal("\"0.15\"", JsonSerializer.Serialize(UnitPrice.Parse("0.15")));
        Assert.Equal("\"USD\"", JsonSerializer.Serialize(Currency.Parse("USD")));
    }

    [Fact]
    public void A_token_at_fifteen_cents_per_million_costs_a_fraction_of_a_micro() =>
        Assert.Equal(0.15m, UnitPrice.Parse("0.15").MicrosFor(1));

    [Theory]
    [InlineData("-1")]
    [InlineData("1e3")]
    [InlineData("")]
    [InlineData("1,000")]
    [InlineData("0.1234567890123")]
    public void A_unit_price_is_a_plain_decimal(string text) => Assert.Throws<FormatException>(() => UnitPrice.Parse(text));

    [Fact]
    public void Money_that_would_overflow_throws_instead_of_wrapping() =>
        Assert.Throws<OverflowException>(() => new Micros(long.MaxValue) + new Micros(1));

    [Theory]
    [InlineData("USD", 9_600_000, "9.60")]
    [InlineData("USD", 9_600_001, "9.600001")]
    [InlineData("JPY", 1_200_000_000, "1,200")]
    [InlineData("KWD", -1_250_000, "-1.250")]
    public void Amounts_are_shown_with_the_digits_of_their_currency(string currency, long micros, string shown) =>
        Assert.Equal(shown, new Micros(micros).ToMajorUnits(Currency.Parse(currency)));

    [Theory]
    [InlineData("usd")]
    [InlineData("XXX")]
    [InlineData("")]
    public void An_unknown_currency_is_named(string code) =>
        Assert.Contains($"'{code}'", Assert.Throws<FormatException>(() => Currency.Parse(code)).Message, StringComparison.Ordinal);
}
