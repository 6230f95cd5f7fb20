using Usage.Metering;

namespace Usage.Tests;

public sealed class OutboxTests
{
    private readonly SortedSet<int> _unmarked = [1, 2, 3, 4, 5];
    private readonly List<int[]> _published = [];

    [Fact]
    public async Task What_is_confirmed_is_marked_in_order_and_in_groups()
    {
        Assert.False(await PassAsync(some => some.Length));
        Assert.Equal([[1, 2], [3, 4], [5]], _published);
        Assert.Empty(_unmarked);
    }

    [Fact]
    public async Task What_is_not_confirmed_stays_and_nothing_is_published_past_it()
    {
        Assert.True(await PassAsync(some => some is [3, 4] ? 1 : some.Length));
        Assert.Equal([[1, 2], [3, 4]], _published);
        Assert.Equal([4, 5], _unmarked);
    }

    [Fact]
    public async Task A_broker_that_fails_leaves_everything_unmarked()
    {
        await Assert.ThrowsAsync<TimeoutException>(() => PassAsync(_ => throw new TimeoutException()));
        Assert.Equal(5, _unmarked.Count);
    }

    [Fact]
    public async Task There_may_be_more_when_it_read_as_much_as_it_may()
    {
        _unmarked.UnionWith([6, 7]);
        Assert.True(await PassAsync(some => some.Length));
        Assert.Equal([7], _unmarked);
    }

    private Task<bool> PassAsync(Func<int[], int> confirmed) => new Outbox(readMax: 6, unconfirmedMax: 2).PublishSomeAsync(
        max => Task.FromResult(_unmarked.Take(max).ToList()),
        some =>
        {
            _published.Add(some);
            return Task.FromResult(confirmed(some));
        },
        taken =>
        {
            _unmarked.ExceptWith(taken);
            return Task.CompletedTask;
        });
}
