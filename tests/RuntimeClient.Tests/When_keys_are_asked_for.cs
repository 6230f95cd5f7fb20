using Contracts.Access.V1;
using Google.Protobuf;
using Grpc.Core;
using Hosting;
using Usage.Host.Tests;
using AccessKey = Hosting.AccessKey;

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

    [Fact]
    public void Options_that_are_logged_do_not_show_the_key()
    {
        var shown = new MeterOptions { ApiKey = AccessKey.NewText(), TokensPerReport = 7 }.ToString();
        Assert.DoesNotContain(AccessKey.TextPrefix, shown, StringComparison.Ordinal);
        Assert.Contains("TokensPerReport = 7", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_generation_whose_key_is_revoked_gets_no_room_any_more_and_is_told_so()
    {
        var (admin, key) = (AccessKey.NewText(), AccessKey.NewText());
        await using var service = await UsageService.StartAsync(("Access:Mode", "Keys"), ("Access:RefreshSeconds", "0.1"), ("Access:Keys:0", $"operator:admin:{AccessKey.Sha256Of(admin)}"));
        var (keys, asAdmin) = (new AccessKeys.AccessKeysClient(service.Channel), new Metadata { { "authorization", $"Bearer {admin}" } });
        var registered = await keys.RegisterKeyAsync(new()
        {
            KeyId = Ids.New(AccessKey.Prefix, Samples.Jan1), Name = "engine", Scopes = { "runtime" },
            Sha256 = ByteString.CopyFrom(Convert.FromHexString(AccessKey.Sha256Of(key))), Shown = AccessKey.ShownOf(key),
        }, asAdmin);
        await service.SubscribeAsync(Samples.Snapshot("alice"));
        await using var meter = new MeterClient(new Uri($"http://{service.Channel.Target}"), new() { ApiKey = key, DisposeWithin = TimeSpan.Zero });
        await using var generation = await meter.StartAsync(SharedService.Request("revoked", "alice"));
        await keys.RevokeKeyAsync(new() { KeyId = registered.KeyId }, asAdmin);

        var refused = await Assert.ThrowsAsync<MeterException>(() => GenerateAsync().WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal("key_unknown", refused.Reason);
        // What it has generated may still be taken, should the key come back.
        Assert.Equal([generation], meter.Active);

        async Task GenerateAsync()
        {
            while (await generation.RoomAsync() > 0) generation.Count(output: 1);
        }
    }
}
