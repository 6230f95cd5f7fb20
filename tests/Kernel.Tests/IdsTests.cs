namespace Kernel.Tests;

public class IdsTests
{
    private static readonly DateTimeOffset Jan1 = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_derived_id_is_the_same_every_time_and_carries_its_time()
    {
        var id = Ids.Derive(Ids.Period, Jan1, "sub_a", "0");
        Assert.Equal(id, Ids.Derive(Ids.Period, Jan1, "sub_a", "0"));
        Assert.Equal(Jan1, Ids.TimeOf(Ids.Parse(Ids.Period, id)));
        Assert.Equal(8, Ids.Parse(Ids.Period, id).Version);
    }

    [Fact]
    public void Parts_are_kept_apart() =>
        Assert.NotEqual(Ids.Derive(Ids.Plan, Jan1, "ab", "c"), Ids.Derive(Ids.Plan, Jan1, "a", "bc"));

    [Fact]
    public void Ids_sort_by_their_time() =>
        Assert.True(string.CompareOrdinal(Ids.New(Ids.Generation, Jan1), Ids.Derive(Ids.Generation, Jan1.AddMilliseconds(1), "x")) < 0);

    [Theory]
    [InlineData("gen_0193e4a0c0007000800000000000000a", true)]
    [InlineData("gen_0193E4A0C0007000800000000000000A", false)]
    [InlineData("sub_0193e4a0c0007000800000000000000a", false)]
    [InlineData("gen-0193e4a0c0007000800000000000000a", false)]
    [InlineData("gen_0193e4a0-c000-7000-8000-00000000000a", false)]
    [InlineData("gen_0193e4a0c0007000800000000000000", false)]
    [InlineData("gen_0193e4a0c0007000800000000000000ag", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void Only_the_exact_form_is_an_id(string? text, bool valid)
    {
        Assert.Equal(valid, Ids.TryParse(Ids.Generation, text, out var id));
        if (valid) Assert.Equal(text, Ids.Format(Ids.Generation, id));
        else Assert.Throws<FormatException>(() => Ids.Parse(Ids.Generation, text));
    }
}
