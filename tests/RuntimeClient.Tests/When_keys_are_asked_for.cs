using Hosting;
using Usage.Host.Tests;

namespace RuntimeClient.Tests;

public sealed class When_keys_are_asked_for
{
    [Fact]
    public async Task A_runtime_with_its_key_is_metered_and_one_without_is_told_so_instead_of_waiting()
    {
        var key = AccessKey.NewText();
        await using var service = await UsageService.StartAsync(("Access:Mode", "Keys"), ("Access:Keys:0", $"engine:runtime:{AccessKey.Sha256Of(key)}"));
        await service.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("conversation", 1_000)));
        var address = new Uri($"http://{service.Channel.Target}");
        foreach (var (wrong, reason) in new[] { ("", "key_missing"), (AccessKey.NewText(), "key_unknown") })
        {
            await using var stranger = new MeterClient(address, new() { ApiKey = wrong });
            var refused = await Assert.ThrowsAsync<MeterException>(() => stranger.StartAsync(SharedService.Request("stranger", "alice")));
            Assert.Equal(reason, refused.Reason);
        }
        await using var meter = new MeterClient(address, new() { ApiKey = key });
        await using var generation = await meter.StartAsync(SharedService.Request("let-in", "alice"));
        Assert.Equal(10, generation.Count(output: 10));
        await generation.FinishAsync();
        Assert.Equal(10, await service.ScalarAsync<long>("select sum(output) from usage.token_event"));
    }
}
