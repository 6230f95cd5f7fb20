using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace Usage.Host.Tests;

/// <summary>The service as a process of its own, killed with rows queued, grants out and slabs being written.</summary>
public sealed class When_the_service_is_killed
{
    private const int Generations = 8, Kills = 3;
    private const long TokensEach = 1_000, Cap = 100_000;

    [Fact]
    public async Task U3_U4_U5_hold_across_kills_and_honest_runtimes_lose_nothing()
    {
        await using var watch = await UsageService.PrepareAsync();
        var (process, address) = watch.Apart();
        await using var _ = process;
        await watch.ListenAsync();
        using var channel = GrpcChannel.ForAddress(address);
        var meter = new TokenMeter.TokenMeterClient(channel);
        HonestRuntime[] runtimes = [.. Enumerable.Range(0, Generations).Select(n => new HonestRuntime(meter, $"g{n}", "alice"))];

        for (var life = 0; life <= Kills; life++)
        {
            await process.StartAsync();
            try
            {
                if (life == 0) await watch.SubscribeAsync(Samples.Snapshot("alice", Samples.Hard("billing_period", Cap)));
                var before = runtimes.Sum(r => r.Acknowledged);
                var running = runtimes.Select(r => r.RunAsync()).ToArray();
                if (life < Kills) await Eventually.True(() => runtimes.Sum(r => r.Acknowledged) >= before + 10 || running.All(t => t.IsCompleted), "some more is acknowledged");
                else await Task.WhenAll(running);
            }
            finally
            {
                await process.KillAsync();
            }
            foreach (var runtime in runtimes) await runtime.StopAsync();
        }

        await watch.StartHostAsync();
        await watch.ReadyAsync();
        await LedgerChecks.HoldAsync(watch);
        Assert.Equal(Generations * TokensEach, await watch.ScalarAsync<long>("select sum(output) from usage.token_event"));
        Assert.Equal(0, await watch.ScalarAsync<long>("select sum(overrun) from usage.token_event")); // honest to the end, across every owner
        foreach (var runtime in runtimes)
            Assert.Equal(runtime.Acknowledged + 1, await watch.ScalarAsync<long>($"select count(*) from usage.token_event where generation = '{Ids.Parse(Ids.Generation, runtime.Id)}'"));
    }

    /// <summary>A runtime that keeps to the contract: never a token without a grant, and everything not acknowledged is sent again.</summary>
    private sealed class HonestRuntime(TokenMeter.TokenMeterClient meter, string name, string subscription)
    {
        private readonly Start _start = Samples.Start(name, subscription, name, input: 1, maxOutput: TokensEach);
        private readonly List<Chunk> _unacknowledged = [];
        private readonly List<Grant> _grants = [];
        private long _sequence, _generated;
        private volatile bool _told;
        private Task _running = Task.CompletedTask;

        public string Id => _start.GenerationId;
        public long Acknowledged { get; private set; }
        private bool IsDone => _generated == TokensEach && _unacknowledged.Count == 0;

        /// <summary>Speaks until all is generated and acknowledged, or until told to stop; a broken stream is opened again.</summary>
        public Task RunAsync()
        {
            _told = false;
            return _running = Eventually.True(async () =>
            {
                try { await SpeakAsync(); }
                catch (RpcException) { /* The service is away, or was killed in the middle. */ }
                return IsDone || _told;
            }, $"{name} is done");
        }

        public Task StopAsync()
        {
            _told = true;
            return _running;
        }

        private async Task SpeakAsync()
        {
            using var call = meter.Meter();
            var sent = 0;
            await call.RequestStream.WriteAsync(new MeterRequest { Frames = { new RuntimeFrame { Start = _start } } });
            while (!IsDone && await call.ResponseStream.MoveNext(CancellationToken.None))
            {
                foreach (var frame in call.ResponseStream.Current.Frames)
                {
                    if (frame.Grant is { } grant) _grants.Add(grant);
                    if (frame.Ack is { } ack)
                    {
                        sent = Math.Max(sent - _unacknowledged.RemoveAll(c => c.Sequence <= ack.Sequence), 0);
                        Acknowledged = Math.Max(Acknowledged, ack.Sequence);
                    }
                    Assert.Null(frame.Deny);
                    Assert.Null(frame.Stop);
                    Assert.Null(frame.Rejection);
                }
                // Nothing goes out before the service has answered the Start: it may be a new one that knows nothing of this generation.
                if (!call.ResponseStream.Current.Frames.Any(f => f.Grant is not null) && sent == 0 && _sequence > Acknowledged) continue;
                var allowed = _grants.Where(g => g.ExpiresAt.ToDateTimeOffset() > TimeProvider.System.GetUtcNow()).Select(g => g.TokensAllowed).DefaultIfEmpty(0).Max();
                if (_generated < allowed)
                {
                    _generated = Math.Min(allowed, _generated + 20);
                    _unacknowledged.Add(Samples.Chunk(name, ++_sequence, _generated));
                }
                for (; sent < _unacknowledged.Count; sent++) await call.RequestStream.WriteAsync(new MeterRequest { Frames = { new RuntimeFrame { Chunk = _unacknowledged[sent] } } });
            }
        }
    }
}
