using Contracts.Usage.V1;
using Grpc.Core;
using LocalServers;
using Npgsql;
using StackExchange.Redis;

namespace Bench.Metering;

/// <summary>Tokens generated beyond a cap, by the workers' own count.</summary>
/// <param name="Ours">granted before they were generated; the service is killed halfway, too</param>
/// <param name="CheckThenAdd">a row in PostgreSQL is read, and added to after the generation</param>
/// <param name="IncrementAfter">a counter in Redis must be under the cap, and is incremented after the generation</param>
public sealed record OverspendFigures(long Ours, long CheckThenAdd, long IncrementAfter);

/// <summary>64 workers on one cap, of whom one in ten crashes after it has generated and before it has said so.</summary>
public sealed class OverspendBench(BenchServers servers, PrivateRedis redis)
{
    private const int Workers = 64;
    private const long CapTokens = 200_000, TokensMax = 256;
    private static readonly TimeSpan Generating = TimeSpan.FromMilliseconds(2), Patience = TimeSpan.FromSeconds(1);

    public async Task<OverspendFigures> RunAsync(CancellationToken ct)
    {
        var ours = await OursAsync(ct);
        var checkThenAdd = await CheckThenAddAsync(ct);
        var incrementAfter = await IncrementAfterAsync();
        BenchPace.Say($"overspend of a cap of {CapTokens} under {Workers} workers that crash: {ours} tokens; check-then-add {checkThenAdd}, increment-after {incrementAfter}");
        return new(ours, checkThenAdd, incrementAfter);
    }

    private async Task<long> OursAsync(CancellationToken ct)
    {
        var subscription = (await servers.SubscribeAsync("overspent", 1, CapTokens, ct))[0];
        using var channel = servers.Connect();
        var meter = new TokenMeter.TokenMeterClient(channel);
        var generated = 0L;
        var working = WorkAsync(async random =>
        {
            try
            {
                var start = new Start { GenerationId = Ids.New(Ids.Generation, TimeProvider.System.GetUtcNow()), SubscriptionId = subscription, Conversation = "one", Model = "small-model" };
                var answer = await meter.AuthorizeAsync(new AuthorizeRequest { Start = start }, cancellationToken: ct);
                if (answer.Grant is not { } grant) return false;
                var tokens = await GenerateAsync(random, grant.TokensAllowed);
                Interlocked.Add(ref generated, tokens);
                if (Crashes(random)) return true;
                await meter.SettleAsync(new SettleRequest
                {
                    Finish = new Finish { GenerationId = start.GenerationId, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = tokens } },
                }, cancellationToken: ct);
                return true;
            }
            catch (RpcException)
            {
                return true; // The service was killed; what was generated counts.
            }
        });
        await BenchServers.UntilAsync(() => Task.FromResult(Interlocked.Read(ref generated) > CapTokens / 2 || working.IsCompleted), "half of the cap is used", ct);
        await servers.RestartServiceAsync(ct);
        await working;
        return Over(generated);
    }

    private async Task<long> CheckThenAddAsync(CancellationToken ct)
    {
        await servers.ExecuteAsync("create table usage.checked (used bigint not null); insert into usage.checked values (0)", ct);
        var generated = 0L;
        await WorkAsync(async random =>
        {
            if (await servers.ScalarAsync("select used from usage.checked", ct) + TokensMax > CapTokens) return false;
            var tokens = await GenerateAsync(random, TokensMax);
            Interlocked.Add(ref generated, tokens);
            if (!Crashes(random)) await servers.ExecuteAsync($"update usage.checked set used = used + {tokens}", ct);
            return true;
        });
        return Over(generated);
    }

    private async Task<long> IncrementAfterAsync()
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{redis.Port}");
        var database = connection.GetDatabase();
        var generated = 0L;
        await WorkAsync(async random =>
        {
            if ((long)await database.StringGetAsync("used") >= CapTokens) return false;
            var tokens = await GenerateAsync(random, TokensMax);
            Interlocked.Add(ref generated, tokens);
            if (!Crashes(random)) await database.StringIncrementAsync("used", tokens);
            return true;
        });
        return Over(generated);
    }

    /// <summary>Every worker goes on until it has been refused for a while: by then nothing more can be had.</summary>
    private static Task WorkAsync(Func<Random, Task<bool>> generateOnce) => Task.WhenAll(Enumerable.Range(0, Workers).Select(n => Task.Run(async () =>
    {
        var random = new Random(n);
        for (var since = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(since) < Patience;)
        {
            if (await generateOnce(random)) since = TimeProvider.System.GetTimestamp();
            else await Task.Delay(Generating);
        }
    })));

    private static async Task<long> GenerateAsync(Random random, long allowed)
    {
        await Task.Delay(Generating);
        return random.NextInt64(1, Math.Min(allowed, TokensMax) + 1);
    }

    private static bool Crashes(Random random) => random.Next(10) == 0;

    private static long Over(long generated) => Math.Max(0, generated - CapTokens);
}
