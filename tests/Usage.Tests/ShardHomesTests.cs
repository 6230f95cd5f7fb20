using Usage.Metering;

namespace Usage.Tests;

public sealed class ShardHomesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(20)]
    public void No_instance_is_home_to_more_than_its_share(int instances)
    {
        var homes = ShardHomes.Of(8, Names(instances));
        Assert.Equal(8, homes.Count);
        Assert.All(homes.GroupBy(h => h), h => Assert.InRange(h.Count(), 1, (8 + instances - 1) / instances));
    }

    [Fact]
    public void Everybody_who_knows_the_same_instances_comes_to_the_same_answer() =>
        Assert.Equal(ShardHomes.Of(64, Names(7)), ShardHomes.Of(64, [.. Names(7).Reverse()]));

    [Fact]
    public void Most_shards_stay_where_they_are_when_an_instance_joins()
    {
        var (before, after) = (ShardHomes.Of(64, Names(4)), ShardHomes.Of(64, Names(5)));
        Assert.InRange(before.Zip(after).Count(h => h.First == h.Second), 32, 64 - 12);
    }

    [Fact]
    public void Without_an_instance_there_is_no_home() => Assert.Empty(ShardHomes.Of(8, []));

    private static string[] Names(int count) => [.. Enumerable.Range(1, count).Select(n => $"10.0.0.{n}:11111@1")];
}
