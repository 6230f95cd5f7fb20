using Marten;

namespace Hosting.Tests;

public sealed class EventStreamsTests(JarsFixture jars) : IClassFixture<JarsFixture>
{
    private EventStreams Streams => jars.Host.Get<EventStreams>();

    private Task<Decision<JarEvent>> Drop(string jar, string coin, Action<IDocumentSession, Jar>? alongside = null) =>
        Streams.Transact<Jar, JarEvent>(jar, Jar.Empty, Jar.Evolve, s => Jar.Drop(coin, s), CancellationToken.None, alongside);

    private async Task<IReadOnlyList<string>> Coins(string jar) => (await Streams.Load<Jar, JarEvent>(jar, Jar.Empty, Jar.Evolve, CancellationToken.None)).Coins;

    [Fact]
    public async Task Of_many_writers_that_open_a_stream_at_once_one_wins()
    {
        var decisions = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Drop("e1", "a")));
        Assert.Equal(1, decisions.Sum(d => d.Events.Count));
        Assert.Equal(["a"], await Coins("e1"));
    }

    [Fact]
    public async Task Writers_at_once_each_decide_on_what_the_other_left()
    {
        await Drop("e2", "first");
        var decisions = await Task.WhenAll("abcdefgh".Select(coin => Drop("e2", $"{coin}")));
        Assert.Equal(2, decisions.Sum(d => d.Events.Count));
        Assert.Equal(6, decisions.Count(d => d.Refused?.Code == "jar_full"));
        Assert.Equal(3, (await Coins("e2")).Count);
    }

    [Fact]
    public async Task What_is_written_alongside_lives_and_dies_with_the_events()
    {
        var key = new IdempotentCall("alongside", "", []);
        await Drop("e3", "a", (session, _) => session.Insert(key));
        // The document exists by now, so the whole second transaction fails.
        await Assert.ThrowsAsync<JasperFx.DocumentAlreadyExistsException>(() => Drop("e3", "b", (session, _) => session.Insert(key)));
        Assert.Equal(["a"], await Coins("e3"));
    }

    [Fact]
    public async Task An_append_that_was_rolled_back_leaves_nothing_to_fold()
    {
        await Drop("e4", "a");
        await using (var session = jars.Host.Get<IDocumentStore>().LightweightSession())
        {
            session.AppendExpecting<JarEvent>("e4", 0, [new CoinDropped("b")]);
            Assert.True(EventStreams.IsConflict(await Assert.ThrowsAnyAsync<Exception>(() => session.SaveChangesAsync())));
        }
        await using (var session = jars.Host.Get<IDocumentStore>().LightweightSession())
        {
            session.AppendExpecting<JarEvent>("e4", 7, [new CoinDropped("b")]);
            Assert.True(EventStreams.IsConflict(await Assert.ThrowsAnyAsync<Exception>(() => session.SaveChangesAsync())));
        }
        Assert.Equal(["a"], await Coins("e4"));
    }
}
