using Contracts.Usage.V1;
using Grpc.Core;
using LocalServers;
using Npgsql;
using StackExchange.Redis;

namespace Bench.Metering;

/// <summary>
/// Tokens generated beyond a cap, by the workers' own count, when all that was promised before the service was killed last has ended and the cap is used up
/// again. Whoever crashes comes back before its lease has ended, unless it is said that nobody does: of all three alike.
/// </summary>
/// <param name="Ours">granted before they were generated; the service is killed several times</param>
/// <param name="CheckThenAdd">a row in PostgreSQL is read, and added to after the generation</param>
/// <param name="IncrementAfter">a counter in Redis must be under the cap, and is incremented after the generation</param>
/// <param name="NeverBack">as <paramref name="Ours"/>, but who crashes is gone for ever: what it had generated is known to nobody, and granted again</param>
/// <param name="NeverBackMax">the most that can be: what those who crashed were granted</param>
public sealed record OverspendFigures(
    long Ours, long CheckThenAdd, long IncrementAfter, long NeverBack, long NeverBackMax, long CheckThenAddNeverBack, long IncrementAfterNeverBack);

/// <summary>64 workers on one cap, of whom one in ten crashes after it has generated and before it has said so.</summary>
public sealed class OverspendBench(BenchServers servers, PrivateRedis redis, BenchPace pace)
{
    private const int Workers = 64, Seed = 20260303, AwayMsMax = 500;
    private const long TokensMax = 256;
    private static readonly TimeSpan Generating = TimeSpan.FromMilliseconds(2), Patience = TimeSpan.FromSeconds(1), Pause = TimeSpan.FromMilliseconds(20), AnsweredWithin = TimeSpan.FromMinutes(1);

    /// <summary>A lost owner's promise holds for two leases; after that everything that can be granted again is asked for.</summary>
    private TimeSpan LeasesEnd => 2 * TimeSpan.FromSeconds(pace.LeaseSeconds) + Patience;

    /// <summary>When the service was killed last; in the far future while it is to be killed again.</summary>
    private long _killed = long.MaxValue;

    private bool LeasesHaveEnded => TimeProvider.System.GetElapsedTime(Volatile.Read(ref _killed)) > LeasesEnd;

    public async Task<OverspendFigures> RunAsync(CancellationToken ct)
    {
        await servers.RestartServiceAsync(ct, ("Usage:LeaseSeconds", $"{pace.LeaseSeconds}"));
        var caps = await servers.SubscribeAsync("overspent", 2, pace.CapTokens, ct);
        using var channel = servers.Connect();
        var meter = new TokenMeter.TokenMeterClient(channel);
        long crashed = 0, generated = 0, generatedOfLost = 0;
        var comingBack = WorkAsync(() => LeasesHaveEnded, random => OnceAsync(meter, caps[0], random, comesBack: true, tokens => Interlocked.Add(ref generated, tokens), _ => { }, ct));
        var neverBack = WorkAsync(() => LeasesHaveEnded, random => OnceAsync(meter, caps[1], random, comesBack: false, tokens => Interlocked.Add(ref generatedOfLost, tokens), granted => Interlocked.Add(ref crashed, granted), ct));
        var when = new Random(Seed);
        var killed = TimeProvider.System.GetTimestamp();
        foreach (var at in Enumerable.Range(0, pace.Kills).Select(_ => when.NextInt64(pace.CapTokens / 10, pace.CapTokens * 9 / 10)).Order())
        {
            await BenchServers.UntilAsync(() => Task.FromResult(Interlocked.Read(ref generated) >= at || comingBack.IsCompleted), $"{at} tokens of the cap are used", ct);
            killed = TimeProvider.System.GetTimestamp();
            await servers.RestartServiceAsync(ct);
            BenchPace.Say($"overspend: the service was killed after {at} tokens, and serves again after {TimeProvider.System.GetElapsedTime(killed).TotalSeconds:F1} s");
        }
        Volatile.Write(ref _killed, killed);
        // Leases take their time, in which the others use up theirs.
        await servers.ExecuteAsync("create table usage.checked (worker_set integer primary key, used bigint not null); insert into usage.checked values (0, 0), (1, 0)", ct);
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{redis.Port}");
        var others = await Task.WhenAll(
            CheckThenAddAsync(comesBack: true, ct), IncrementAfterAsync(connection.GetDatabase(), comesBack: true, ct),
            CheckThenAddAsync(comesBack: false, ct), IncrementAfterAsync(connection.GetDatabase(), comesBack: false, ct));
        await Task.WhenAll(comingBack, neverBack);
        BenchPace.Say($"overspend of a cap of {pace.CapTokens} under {Workers} workers that crash and come back within {AwayMsMax} ms, {pace.Kills} kills of the service, leases of {pace.LeaseSeconds} s waited out: {Over(generated)} tokens ({pace.CapTokens - generated} not used); check-then-add {others[0]}, increment-after {others[1]}");
        BenchPace.Say($"overspend where nobody who crashed came back: {Over(generatedOfLost)} tokens, and those who crashed were granted {crashed}; check-then-add {others[2]}, increment-after {others[3]}");
        return new(Over(generated), others[0], others[1], Over(generatedOfLost), crashed, others[2], others[3]);
    }

    /// <returns>false if it was denied</returns>
    private static async Task<bool> OnceAsync(TokenMeter.TokenMeterClient meter, string subscription, Random random, bool comesBack, Action<long> generated, Action<long> lost, CancellationToken ct)
    {
        var start = new Start { GenerationId = Ids.New(Ids.Generation, TimeProvider.System.GetUtcNow()), SubscriptionId = subscription, Conversation = "one", Model = "small-model" };
        if (await AuthorizedAsync(meter, start, ct) is not { } grant) return false;
        var tokens = await GenerateAsync(random, grant.TokensAllowed);
        generated(tokens);
        if (Crashes(random))
        {
            lost(Math.Min(grant.TokensAllowed, TokensMax));
            if (!comesBack) return true;
            await Task.Delay(random.Next(AwayMsMax), ct);
        }
        var finish = new Finish { GenerationId = start.GenerationId, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = tokens } };
        start.Resumed = true;
        var since = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                await meter.SettleAsync(new SettleRequest { Finish = finish }, cancellationToken: ct);
                return true;
            }
            catch (RpcException) when (TimeProvider.System.GetElapsedTime(since) < AnsweredWithin)
            {
                // The service was killed, and may have forgotten it: it is told again, as any runtime would.
                await Task.Delay(Pause, ct);
                await AuthorizedAsync(meter, start, ct);
            }
        }
    }

    /// <summary>Asks until it is answered, always with the same id. Null if it is denied.</summary>
    private static async Task<Grant?> AuthorizedAsync(TokenMeter.TokenMeterClient meter, Start start, CancellationToken ct)
    {
        while (true)
        {
            try
            {
                var answer = await meter.AuthorizeAsync(new AuthorizeRequest { Start = start }, cancellationToken: ct);
                if (answer.Deny is not { Reason: "store_unavailable" }) return answer.Grant;
            }
            catch (RpcException)
            {
                // Nobody is there yet.
            }
            await Task.Delay(Pause, ct);
        }
    }

    private Task<long> CheckThenAddAsync(bool comesBack, CancellationToken ct)
    {
        var row = $"where worker_set = {(comesBack ? 1 : 0)}";
        return AddAfterAsync(
            async () => await servers.ScalarAsync($"select used from usage.checked {row}", ct) + TokensMax <= pace.CapTokens,
            tokens => servers.ExecuteAsync($"update usage.checked set used = used + {tokens} {row}", ct), comesBack, ct);
    }

    private Task<long> IncrementAfterAsync(IDatabase database, bool comesBack, CancellationToken ct)
    {
        var key = comesBack ? "used" : "used, nobody back";
        return AddAfterAsync(async () => (long)await database.StringGetAsync(key) < pace.CapTokens, tokens => database.StringIncrementAsync(key, tokens), comesBack, ct);
    }

    private async Task<long> AddAfterAsync(Func<Task<bool>> hasRoom, Func<long, Task> add, bool comesBack, CancellationToken ct)
    {
        var generated = 0L;
        await WorkAsync(() => true, async random =>
        {
            if (!await hasRoom()) return false;
            var tokens = await GenerateAsync(random, TokensMax);
            Interlocked.Add(ref generated, tokens);
            if (Crashes(random))
            {
                if (!comesBack) return true;
                await Task.Delay(random.Next(AwayMsMax), ct);
            }
            await add(tokens);
            return true;
        });
        return Over(generated);
    }

    /// <summary>Every worker goes on until it has been refused for a while, and nothing is to be had again: by then nothing more can be had.</summary>
    private static Task WorkAsync(Func<bool> nothingComesBack, Func<Random, Task<bool>> generateOnce) => Task.WhenAll(Enumerable.Range(0, Workers).Select(n => Task.Run(async () =>
    {
        var random = new Random(n);
        for (var since = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(since) < Patience || !nothingComesBack();)
        {
            if (await generateOnce(random)) since = TimeProvider.System.GetTimestamp();
            else await Task.Delay(Pause);
        }
    })));

    private static async Task<long> GenerateAsync(Random random, long allowed)
    {
        await Task.Delay(Generating);
        return random.NextInt64(1, Math.Min(allowed, TokensMax) + 1);
    }

    private static bool Crashes(Random random) => random.Next(10) == 0;

    private long Over(long generated) => Math.Max(0, generated - pace.CapTokens);
}
