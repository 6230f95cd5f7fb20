using Contracts.Access.V1;
using Contracts.PlanDesign.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using LocalServers;
using Marten;
using Npgsql;
using Key = Contracts.Access.V1.AccessKey;

namespace Hosting.Tests;

public sealed class AccessTests : IAsyncLifetime
{
    private static readonly string Admin = AccessKey.NewText();

    private readonly List<GrpcChannel> _channels = [];
    private ServiceDatabase _database = null!;
    private Uri _broker = null!;
    private TestHost _host = null!;

    public async Task InitializeAsync()
    {
        (_database, _broker) = (await Servers.CreateDatabaseAsync(), await Servers.CreateVirtualHostAsync());
        _host = await StartAsync();
    }

    public async Task DisposeAsync()
    {
        foreach (var channel in _channels) channel.Dispose();
        await _host.DisposeAsync();
    }

    private async Task<TestHost> StartAsync(string mode = "Keys", string metrics = "Open")
    {
        var host = await TestHost.StartAsync(_database.ConnectionString("billing"), _broker.ToString(), new()
        {
            ["Access:Mode"] = mode, ["Access:Metrics"] = metrics, ["Access:Keys:0"] = $"operator:admin:{AccessKey.Sha256Of(Admin)}", ["Access:RefreshSeconds"] = "0.1",
        });
        await host.IsReadyAsync();
        return host;
    }

    private GrpcChannel With(string? key, TestHost? host = null)
    {
        _channels.Add((host ?? _host).Connect(key));
        return _channels[^1];
    }

    private async Task<string> Drop(string? key, string jar, string coin = "a", string? idempotencyKey = null, TestHost? host = null) =>
        (await new Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient(With(key, host)).RetireMenuAsync(
            new RetireMenuRequest { MenuId = jar, Reason = coin }, idempotencyKey is null ? [] : new Metadata { { IdempotentCalls.Metadata, idempotencyKey } })).Name;

    private async Task<(StatusCode, string)> Refused(string? key, TestHost? host = null) => TestHost.Why(await Assert.ThrowsAsync<RpcException>(() => Drop(key, "refused", host: host)));

    private AccessKeys.AccessKeysClient Keys(string? key = null, TestHost? host = null) => new(With(key ?? Admin, host));

    private async Task<(string Text, Key Key)> Register(string name, params string[] scopes)
    {
        var text = AccessKey.NewText();
        return (text, await Keys().RegisterKeyAsync(Registration(text, name, scopes)));
    }

    private static RegisterKeyRequest Registration(string text, string name, params string[] scopes)
    {
        var request = new RegisterKeyRequest
        {
            KeyId = Ids.New(AccessKey.Prefix, TimeProvider.System.GetUtcNow()), Name = name, Sha256 = ByteString.CopyFrom(Convert.FromHexString(AccessKey.Sha256Of(text))), Shown = AccessKey.ShownOf(text),
        };
        request.Scopes.AddRange(scopes);
        return request;
    }

    [Fact]
    public async Task Without_a_key_nothing_is_told_but_health()
    {
        Assert.Equal((StatusCode.Unauthenticated, "key_missing"), await Refused(null));
        var health = new Health.HealthClient(With(null));
        foreach (var name in new[] { "", "plan_design.v1.PlanDesign", "access.v1.AccessKeys" })
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await health.CheckAsync(new() { Service = name })).Status);
        Assert.Equal(200, (await _host.ReadyAsync()).Status);
        Assert.Equal(200, await MetricsOf(_host));
    }

    [Fact]
    public async Task Metrics_that_need_a_key_need_it_however_their_path_is_written()
    {
        await using var asking = await StartAsync(metrics: "Keys");
        foreach (var path in new[] { "/metrics", "/metrics/", "/Metrics", "/METRICS/", "/metrics?x", "/metric%73/" })
        {
            Assert.Equal(401, await MetricsOf(asking, path));
            Assert.Equal(200, await MetricsOf(_host, path));
            Assert.Equal(200, await MetricsOf(asking, path, Admin));
        }
    }

    private static async Task<int> MetricsOf(TestHost host, string path = "/metrics", string? key = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (key is not null) request.Headers.Authorization = new("Bearer", key);
        using var metrics = await host.Http.SendAsync(request);
        return (int)metrics.StatusCode;
    }

    [Fact]
    public async Task A_key_that_nobody_made_is_refused_however_it_is_written()
    {
        foreach (var key in new[] { AccessKey.NewText(), "bk_live_", "nonsense", Admin[..^1], Admin.ToUpperInvariant() }) Assert.Equal((StatusCode.Unauthenticated, "key_unknown"), await Refused(key));
        var bare = await Assert.ThrowsAsync<RpcException>(async () => await _host.Jars.RetireMenuAsync(new() { MenuId = "m" }, new Metadata { { "authorization", Admin } }));
        Assert.Equal((StatusCode.Unauthenticated, "key_unknown"), TestHost.Why(bare));
    }

    [Fact]
    public async Task A_key_opens_what_its_scope_says_and_is_told_what_it_lacks()
    {
        var (analyst, _) = await Register("ada", "analyst");
        var (finance, key) = await Register("fin", "finance", "auditor");
        Assert.Equal("a", await Drop(analyst, "scopes-1"));
        Assert.Equal("a", await Drop(Admin, "scopes-2"));
        var refused = await Assert.ThrowsAsync<RpcException>(() => Drop(finance, "scopes-3"));
        Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), TestHost.Why(refused));
        Assert.Equal(
            $"plan_design.v1.PlanDesign/RetireMenu needs a key with the scope analyst or admin, and fin ({key.KeyId}) has finance, auditor: use another key, or have one made with billing key create", refused.Status.Detail);
        // Only who may manage keys does.
        Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), TestHost.Why(await Assert.ThrowsAsync<RpcException>(async () => await Keys(analyst).ListKeysAsync(new()))));
    }

    [Fact]
    public async Task A_method_that_nobody_has_thought_about_is_denied()
    {
        var (analyst, _) = await Register("ada", "analyst");
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await new Contracts.PlanDesign.V1.PlanDesign.PlanDesignClient(With(analyst)).GetMenuAsync(new()));
        Assert.Equal((StatusCode.PermissionDenied, "scope_missing"), TestHost.Why(refused));
    }

    [Fact]
    public async Task A_key_is_kept_as_a_hash_listed_without_its_secret_and_let_in_no_more_when_it_is_revoked()
    {
        var (text, key) = await Register("ada", "analyst");
        Assert.Equal("a", await Drop(text, "life-1"));
        var listed = (await Keys().ListKeysAsync(new())).Keys;
        Assert.Equal(["operator:True", "ada:False"], listed.Select(k => $"{k.Name}:{k.Configured}"));
        Assert.Equal((text[..12], "operator"), (listed[1].Shown, listed[1].CreatedBy));
        Assert.DoesNotContain(text, await Stored(), StringComparison.Ordinal);

        var revoked = await Keys().RevokeKeyAsync(new() { KeyId = key.KeyId });
        Assert.Equal("operator", revoked.RevokedBy);
        Assert.Equal((StatusCode.Unauthenticated, "key_unknown"), await Refused(text));
        Assert.Single((await Keys().ListKeysAsync(new())).Keys);
        Assert.Equal(2, (await Keys().ListKeysAsync(new() { IncludeRevoked = true })).Keys.Count);
        // Again is no change, and no way back.
        Assert.Equal(revoked, await Keys().RevokeKeyAsync(new() { KeyId = key.KeyId }));

        await using var restarted = await StartAsync();
        await Eventually.True(async () => await Refused(text, restarted) == (StatusCode.Unauthenticated, "key_unknown"), "it is refused after a restart as well");
    }

    [Fact]
    public async Task Another_instance_lets_it_in_and_out_a_moment_later()
    {
        await using var other = await StartAsync();
        var (text, key) = await Register("ada", "analyst");
        await Eventually.True(async () => await Drop(text, "other", host: other) is "a" or "unchanged", "the other instance knows the key");
        await Keys().RevokeKeyAsync(new() { KeyId = key.KeyId });
        await Eventually.True(async () =>
        {
            try
            {
                await Drop(text, "other", host: other);
                return false;
            }
            catch (RpcException e)
            {
                return TestHost.Why(e) == (StatusCode.Unauthenticated, "key_unknown");
            }
        }, "the other instance knows that it is revoked");
    }

    [Fact]
    public async Task Registering_twice_changes_nothing_and_another_key_under_the_same_id_is_refused()
    {
        var text = AccessKey.NewText();
        var request = Registration(text, "ada", "analyst");
        Assert.Equal(await Keys().RegisterKeyAsync(request), await Keys().RegisterKeyAsync(request));
        var (sameId, sameSecret) = (request.Clone(), request.Clone());
        sameId.Sha256 = ByteString.CopyFrom(new byte[32]);
        sameSecret.KeyId = Ids.New(AccessKey.Prefix, TimeProvider.System.GetUtcNow());
        foreach (var other in new[] { sameId, sameSecret, Registration(Admin, "eve", "runtime") })
            Assert.Equal((StatusCode.AlreadyExists, "key_exists"), TestHost.Why(await Assert.ThrowsAsync<RpcException>(async () => await Keys().RegisterKeyAsync(other))));
        var configured = (await Keys().ListKeysAsync(new())).Keys[0].KeyId;
        Assert.Equal((StatusCode.FailedPrecondition, "key_configured"), TestHost.Why(await Assert.ThrowsAsync<RpcException>(async () => await Keys().RevokeKeyAsync(new() { KeyId = configured }))));
        Assert.Equal((StatusCode.NotFound, "key_not_found"), TestHost.Why(await Assert.ThrowsAsync<RpcException>(async () => await Keys().RevokeKeyAsync(new() { KeyId = sameSecret.KeyId }))));
    }

    public static TheoryData<string, string[], string> WrongKeys => new()
    {
        { "Ada", ["analyst"], "" }, { "-", ["analyst"], "" }, { "", ["analyst"], "" }, { "ada", [], "" }, { "ada", ["root"], "" }, { "ada", ["customer"], "" },
        { "ada", ["customer", "runtime"], "cus_019b76daa80070139a955d6a7d3134fc" }, { "ada", ["analyst"], "cus_019b76daa80070139a955d6a7d3134fc" }, { "ada", ["customer"], "nobody" },
    };

    [Theory, MemberData(nameof(WrongKeys))]
    public async Task A_key_that_makes_no_sense_is_not_made(string name, string[] scopes, string customer)
    {
        var request = Registration(AccessKey.NewText(), name, scopes);
        request.CustomerId = customer;
        Assert.Equal((StatusCode.InvalidArgument, "invalid_argument"), TestHost.Why(await Assert.ThrowsAsync<RpcException>(async () => await Keys().RegisterKeyAsync(request))));
    }

    [Fact]
    public async Task Where_nobody_is_asked_for_a_key_nobody_can_make_one_for_later()
    {
        await using var open = await StartAsync("Open");
        Assert.Equal("a", await Drop(null, "open", host: open));
        var refused = await Assert.ThrowsAsync<RpcException>(async () => await Keys(host: open).RegisterKeyAsync(Registration(AccessKey.NewText(), "eve", "admin")));
        Assert.Equal((StatusCode.FailedPrecondition, "access_open"), TestHost.Why(refused));
    }

    [Fact]
    public async Task An_idempotency_key_belongs_to_its_caller_whichever_key_he_shows()
    {
        var ((ada, _), (replaced, _), (bob, _)) = (await Register("ada", "analyst"), await Register("ada", "analyst"), await Register("bob", "analyst"));
        Assert.Equal("a", await Drop(ada, "scoped", "a", "k"));
        Assert.Equal("a,b", await Drop(bob, "scoped", "b", "k"));
        Assert.Equal("a", await Drop(replaced, "scoped", "a", "k"));
        Assert.Equal((StatusCode.InvalidArgument, "idempotency_key_reused"), TestHost.Why(await Assert.ThrowsAsync<RpcException>(() => Drop(ada, "scoped", "b", "k"))));
        Assert.Equal(2, await Coins("scoped"));
    }

    [Fact]
    public async Task A_retry_of_what_was_done_before_there_were_keys_is_not_done_again()
    {
        string before;
        await using (var open = await StartAsync("Open")) before = await Drop(null, "before", "a", "k", open);
        var (ada, _) = await Register("ada", "analyst");
        Assert.Equal(before, await Drop(ada, "before", "a", "k"));
        Assert.Equal(1, await Coins("before"));
        // Another request is another caller's, who happened to take the same key.
        Assert.Equal("a,b", await Drop(ada, "before", "b", "k"));
    }

    private async Task<int> Coins(string jar)
    {
        await using var session = _host.Get<IDocumentStore>().QuerySession();
        return (await session.Events.FetchStreamAsync(jar)).Count;
    }

    private async Task<string> Stored()
    {
        await using var connection = new NpgsqlConnection(_database.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select string_agg(k::text, ' ') from billing.access_key k", connection);
        return (string)(await command.ExecuteScalarAsync())!;
    }
}
