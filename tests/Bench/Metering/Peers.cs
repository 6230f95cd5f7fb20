using System.Globalization;
using System.Net;
using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Bench.Metering;

/// <summary>
/// What decisions are compared with, in a process of its own as the service is: the method itself with nothing in it, and the method as many
/// would write it, one counter in Redis that a script reserves from.
/// </summary>
public static class Peers
{
    public const string Word = "peers";

    /// <summary>Adds to a subscription's counter unless that takes it over the cap. KEYS: the counter. ARGV: tokens, cap.</summary>
    public const string Reserve = """
        local used = tonumber(redis.call('GET', KEYS[1]) or '0')
        if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return -1 end
        return redis.call('INCRBY', KEYS[1], ARGV[1])
        """;

    public const long Tokens = 256, CapTokens = 1_000_000_000_000;

    /// <summary>Serves until it is ended: <c>peers REDIS_PORT BARE_PORT REDIS_BACKED_PORT</c>.</summary>
    public static async Task ServeAsync(ReadOnlyMemory<string> ports)
    {
        int[] numbers = [.. ports.ToArray().Select(p => int.Parse(p, CultureInfo.InvariantCulture))];
        var redis = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{numbers[0]}");
        await using var bare = Build<BareMeter>(numbers[1], redis);
        await using var redisBacked = Build<RedisMeter>(numbers[2], redis);
        await Task.WhenAll(bare.RunAsync(), redisBacked.RunAsync());
    }

    public static Task<RedisResult> ReserveAsync(IDatabase redis, string subscription) =>
        redis.ScriptEvaluateAsync(Reserve, [subscription], [Tokens, CapTokens]);

    private static WebApplication Build<TService>(int port, ConnectionMultiplexer redis)
        where TService : class
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, o => o.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(redis.GetDatabase());
        var app = builder.Build();
        app.MapGrpcService<TService>();
        return app;
    }

    private static AuthorizeResponse Granted(AuthorizeRequest request) => new()
    {
        Grant = new Grant { GenerationId = request.Start.GenerationId, TokensAllowed = Tokens, ExpiresAt = TimeProvider.System.GetUtcNow().AddMinutes(1).ToTimestamp() },
    };

    /// <summary>The bare call: parsed, answered, nothing decided.</summary>
    public sealed class BareMeter : TokenMeter.TokenMeterBase
    {
        public override Task<AuthorizeResponse> Authorize(AuthorizeRequest request, ServerCallContext context) => Task.FromResult(Granted(request));
    }

    public sealed class RedisMeter(IDatabase redis) : TokenMeter.TokenMeterBase
    {
        public override async Task<AuthorizeResponse> Authorize(AuthorizeRequest request, ServerCallContext context) =>
            (long)await ReserveAsync(redis, request.Start.SubscriptionId) < 0
                ? new AuthorizeResponse { Deny = new Deny { GenerationId = request.Start.GenerationId, Reason = "cap_reached" } }
                : Granted(request);
    }
}
