namespace RuntimeClient.Tests;

public sealed class GenerationIdTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 1, 12, 0, 0, 123, TimeSpan.Zero);

    [Fact]
    public void Derived_and_minted_ids_are_what_the_meter_takes()
    {
        foreach (var id in new[] { GenerationId.Derive(At, "tenant", "request-7"), GenerationId.New(At) })
        {
            Assert.True(Ids.TryParse(Ids.Generation, id, out var uuid));
            Assert.Equal((7, 8), (uuid.Version, uuid.Variant & 0xC));
            Assert.Equal(At, Ids.TimeOf(uuid));
        }
        // As every version must derive it: a retry after an upgrade is the same generation.
        Assert.Equal("gen_019b796dd67b7206a9e2435011bd63b3", GenerationId.Derive(At, "tenant", "request-7"));
    }

    [Fact]
    public void Other_requests_have_other_ids()
    {
        string[] ids = [GenerationId.Derive(At, "ab", "c"), GenerationId.Derive(At, "a", "bc"), GenerationId.Derive(At, "abc"), GenerationId.Derive(At.AddMilliseconds(1), "ab", "c"), GenerationId.New(At), GenerationId.New(At)];
        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.Throws<ArgumentException>(() => GenerationId.Derive(At));
    }
}
