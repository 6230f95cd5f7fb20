namespace Kernel.Tests;

public sealed class CountriesTests
{
    [Fact]
    public void The_list_is_that_of_ISO_3166_1() => Assert.Equal(249, Countries.Count);

    [Theory]
    [InlineData("DE", true)]
    [InlineData("GB", true)]
    [InlineData("GR", true)]
    [InlineData("AX", true)]
    [InlineData("UK", false)]
    [InlineData("EL", false)]
    [InlineData("EU", false)]
    [InlineData("XK", false)]
    [InlineData("ZZ", false)]
    [InlineData("de", false)]
    [InlineData("", false)]
    public void Only_what_is_assigned_is_a_country(string code, bool isOne) => Assert.Equal(isOne, Countries.Has(code));
}
