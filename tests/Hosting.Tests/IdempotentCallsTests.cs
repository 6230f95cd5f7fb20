using Contracts.PlanDesign.V1;
using Grpc.Core;
using Marten;

namespace Hosting.Tests;

public sealed class IdempotentCallsTests(JarsFixture jars) : IClassFixture<JarsFixture>
{
    private async Task<string> Drop(string jar, string coin, string? key = null)
    {
        Metadata headers = key is null ? [] : new Metadata { { IdempotentCalls.Metadata, key } };
        return (await jars.Host.Jars.RetireMenuAsync(new RetireMenuRequest { MenuId = jar, Reason = coin }, headers)).Name;
    }

    private async Task<(StatusCode, string)> Refused(string jar, string coin, string key) =>
        TestHost.Why(await Assert.ThrowsAsync<RpcException>(() => Drop(jar, coin, key)));

    private async Task<int> Coins(string jar)
    {
        await using var session = jars.Host.Get<IDocumentStore>().QuerySession();
        return (await session.Events.FetchStreamAsync(jar)).Count;
    }

    [Fact]
    public async Task A_repeated_call_gets_the_answer_of_the_first()
    {
        Assert.Equal("a", await Drop("i1", "a", "k1"));
        await Drop("i1", "b");
        Assert.Equal("a", await Drop("i1", "a", "k1"));
        Assert.Equal(2, await Coins("i1"));
    }

    [Fact]
    public async Task The_same_key_with_another_request_is_refused()
    {
        await Drop("i2", "a", "k2");
        Assert.Equal((StatusCode.InvalidArgument, "idempotency_key_reused"), await Refused("i2", "b", "k2"));
        Assert.Equal(1, await Coins("i2"));
    }

    [Fact]
    public async Task A_call_that_changed_nothing_keeps_its_key_too()
    {
        await Drop("i3", "a");
        Assert.Equal("unchanged", await Drop("i3", "a", "k3"));
        Assert.Equal((StatusCode.InvalidArgument, "idempotency_key_reused"), await Refused("i3", "b", "k3"));
    }

    [Fact]
    public async Task A_refusal_is_not_kept()
    {
        foreach (var coin in new[] { "a", "b", "c" }) await Drop("i4", coin);
        Assert.Equal((StatusCode.FailedPrecondition, "jar_full"), await Refused("i4", "d", "k4"));
        Assert.Equal("d", await Drop("i4-other", "d", "k4"));
    }

    [Fact]
    public async Task Calls_with_one_key_at_once_have_one_effect_and_one_answer()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Drop("i5", "a", "k5")));
        Assert.All(answers, answer => Assert.Equal("a", answer));
        Assert.Equal(1, await Coins("i5"));
    }

    [Fact]
    public async Task Requests_that_differ_under_one_key_at_once_have_one_effect()
    {
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 12).Select(async n =>
        {
            try { return await Drop($"i6-{n}", "a", "k6"); }
            catch (RpcException e) { return TestHost.Why(e).Reason; }
        }));
        Assert.Single(outcomes, "a");
        Assert.Equal(11, outcomes.Count(o => o == "idempotency_key_reused"));
        Assert.Equal(1, (await Task.WhenAll(Enumerable.Range(0, 12).Select(n => Coins($"i6-{n}")))).Sum());
    }

    [Theory, InlineData(""), InlineData("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789")]
    public async Task A_key_of_no_or_too_many_characters_is_refused(string key) =>
        Assert.Equal((StatusCode.InvalidArgument, "invalid_argument"), await Refused("i7", "a", key));
}
