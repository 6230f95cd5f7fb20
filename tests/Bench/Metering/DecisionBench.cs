using Contracts.Usage.V1;
using Grpc.Net.Client;
using LocalServers;
using Npgsql;
using StackExchange.Redis;

namespace Bench.Metering;

/// <param name="PerSecond">unary Authorize on one hot subscription, 64 callers on one connection</param>
/// <param name="RatioToUnary">over the same method with nothing in it, the median of rounds in turns</param>
/// <param name="RatioToSqlHotRow">over a conditional UPDATE of one row, asked of PostgreSQL without gRPC in between</param>
/// <param name="RatioToRedis">over the same method that reserves in Redis, which keeps nothing on disk</param>
/// <param name="P99Ms">at 10,000 calls a second, from when a call was due</param>
/// <param name="NewConversationPerSecond">the same where every generation is of a conversation that nobody has heard of</param>
/// <param name="SettledPerSecond">generations that are also ended, each a second call that waits for its commit</param>
public sealed record DecisionFigures(
    double PerSecond, double RatioToUnary, double RatioToSqlHotRow, double RatioToRedis, double P99Ms, double NewConversationPerSecond, double SettledPerSecond);

/// <summary>How fast tokens are granted, beside what else could grant them, with the same callers in the same run.</summary>
public sealed class DecisionBench(BenchServers servers, PrivateRedis redis, BenchPace pace)
{
    private const int PacedPerSecond = 10_000, RenewingWorkers = 8, GenerationsEach = 256;

    public async Task<DecisionFigures> RunAsync(CancellationToken ct)
    {
        var ports = Ports.Free(2);
        using var peers = ServiceProcess.Start(typeof(Peers).Assembly.Location, [Peers.Word, $"{redis.Port}", $"{ports[0]}", $"{ports[1]}"], new Dictionary<string, string> { ["DOTNET_gcServer"] = "1" });
        using GrpcChannel ours = servers.Connect(), bare = GrpcChannel.ForAddress($"http://127.0.0.1:{ports[0]}"), redisBacked = GrpcChannel.ForAddress($"http://127.0.0.1:{ports[1]}");
        await using var rawRedis = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{redis.Port}");
        await bare.ConnectAsync(ct);
        await redisBacked.ConnectAsync(ct);
        var hot = await servers.SubscribeAsync("hot", pace.Rounds + 5, Peers.CapTokens, ct);
        await using var sql = await SqlHotRow.CreateAsync(servers, ct);

        async Task<double> Round(string name, Func<int, Task> ask, TimeSpan time, int process)
        {
            await IdleAsync(ct);
            var (before, meterBefore) = (servers.ProcessorTimes(process), ServiceTime);
            var (perSecond, answers, latencies) = await Callers.AskAsync(ask, time);
            BenchPace.Say($"{name}: {perSecond:F0}/s, {latencies}; {servers.ProcessorTimes(process).Since(before, answers)}; our service in this round {(ServiceTime - meterBefore).TotalMilliseconds:F0} ms of processor time");
            return perSecond;
        }

        await pace.WarmUpAsync(time => Round("warming up bare unary", Authorize(bare, hot[0]), time, peers.Id));
        await pace.WarmUpAsync(time => Round("warming up Redis-backed", Authorize(redisBacked, hot[0]), time, peers.Id));
        await pace.WarmUpAsync(time => Round("warming up decisions", Authorize(ours, hot[0]), time, servers.Service.Id));
        var rounds = new List<(double Ours, double Bare, double Sql, double Redis)>();
        for (var n = 0; n < pace.Rounds; n++)
        {
            var unary = await Round("bare unary", Authorize(bare, hot[0]), pace.Round / 2, peers.Id);
            var decisions = await Round("decisions, unary", Authorize(ours, hot[1 + n]), pace.Round / 2, servers.Service.Id);
            var backed = await Round("the same by Redis", Authorize(redisBacked, hot[0]), pace.Round / 2, peers.Id);
            var updates = await Round("conditional UPDATE of one row", sql.ReserveAsync, pace.Round / 2, peers.Id);
            rounds.Add((decisions, unary, updates, backed));
        }
        var newConversation = await Round("decisions, unary, each of a new conversation", Authorize(ours, hot[^3], newConversations: true), pace.Round / 2, servers.Service.Id);
        var settled = await Round("decisions, unary, and the end of each", Settle(ours, hot[^4]), pace.Round / 2, servers.Service.Id);
        await Round("Redis itself", _ => Peers.ReserveAsync(rawRedis.GetDatabase(), hot[0]), pace.Round / 2, peers.Id);
        await IdleAsync(ct);
        var bareAtPace = await Callers.AskAsync(Authorize(bare, hot[0]), pace.Round, PacedPerSecond);
        var atPace = await Callers.AskAsync(Authorize(ours, hot[^1]), pace.Round, PacedPerSecond);
        BenchPace.Say($"at {PacedPerSecond} a second: decisions {atPace}; bare unary {bareAtPace}");
        await IdleAsync(ct);
        await RenewAsync(hot[^2]);
        return new(
            BenchPace.Median(rounds.Select(r => r.Ours)), BenchPace.Median(rounds.Select(r => BenchPace.Ratio(r.Ours, r.Bare))), BenchPace.Median(rounds.Select(r => BenchPace.Ratio(r.Ours, r.Sql))),
            BenchPace.Median(rounds.Select(r => BenchPace.Ratio(r.Ours, r.Redis))), atPace.Percentile(99), newConversation, settled);
    }

    private TimeSpan ServiceTime => servers.ProcessorTimes().Service;

    /// <summary>
    /// Our rounds leave prompts that are still to be written, and nobody ends what they began. That is done before anybody is measured: else the next
    /// contender shares its cores with it.
    /// </summary>
    private async Task IdleAsync(CancellationToken ct)
    {
        // Two ticks of the kernel's clock in a fifth of a second are a tenth of a core: what a service does that nobody asks anything.
        TimeSpan look = TimeSpan.FromMilliseconds(200), idle = TimeSpan.FromMilliseconds(20);
        var begin = TimeProvider.System.GetTimestamp();
        for (var before = ServiceTime; TimeProvider.System.GetElapsedTime(begin) < pace.IdleWithin; before = ServiceTime)
        {
            await Task.Delay(look, ct);
            if (ServiceTime - before <= idle) return;
        }
        BenchPace.Say($"our service is still at work after {pace.IdleWithin.TotalSeconds:F0} s");
    }

    /// <summary>Each question is a new generation's: granted, or it would not count.</summary>
    private static Func<int, Task> Authorize(GrpcChannel channel, string subscription, bool newConversations = false)
    {
        var meter = new TokenMeter.TokenMeterClient(channel);
        return caller => GrantedAsync(meter, subscription, newConversations ? null : $"caller-{caller}");
    }

    private static Func<int, Task> Settle(GrpcChannel channel, string subscription)
    {
        var meter = new TokenMeter.TokenMeterClient(channel);
        return async caller =>
        {
            var id = await GrantedAsync(meter, subscription, $"caller-{caller}");
            await meter.SettleAsync(new SettleRequest { Finish = new Finish { GenerationId = id, Sequence = 1, Reason = FinishReason.Stop, Totals = new TokenCounts { Output = Peers.Tokens } } });
        };
    }

    /// <param name="conversation">null is one of its own</param>
    private static async Task<string> GrantedAsync(TokenMeter.TokenMeterClient meter, string subscription, string? conversation)
    {
        var id = Ids.New(Ids.Generation, TimeProvider.System.GetUtcNow());
        var answer = await meter.AuthorizeAsync(new AuthorizeRequest
        {
            Start = new Start
            {
                GenerationId = id, SubscriptionId = subscription, Conversation = conversation ?? id, Model = "small-model",
                Prompt = new TokenCounts { Input = 200 }, MaxOutputTokens = 1_024,
            },
        });
        return answer.Grant is null ? throw new InvalidOperationException($"denied: {answer.Deny}") : id;
    }

    /// <summary>Decisions on the stream: renewals, batched as a runtime batches them.</summary>
    private async Task RenewAsync(string subscription)
    {
        GrpcChannel[] channels = [.. Enumerable.Range(0, RenewingWorkers).Select(_ => servers.Connect())];
        RenewingWorker[] workers = [.. channels.Select(c => new RenewingWorker(new TokenMeter.TokenMeterClient(c), subscription, GenerationsEach))];
        var before = servers.ProcessorTimes();
        await Task.WhenAll(workers.Select(w => Task.Run(() => w.RunAsync(pace.Round))));
        var decided = workers.Sum(w => w.Decided);
        BenchPace.Say($"decisions on the stream, renewals in batches of up to {GenerationsEach}: {decided / pace.Round.TotalSeconds:F0}/s; {servers.ProcessorTimes().Since(before, decided)}");
        foreach (var worker in workers) worker.Dispose();
        foreach (var channel in channels) channel.Dispose();
    }

    /// <summary>A cap as a row: taken from it if that leaves it at or under the cap, a connection for each caller.</summary>
    private sealed class SqlHotRow : IAsyncDisposable
    {
        private readonly List<NpgsqlCommand> _commands = [];

        public static async Task<SqlHotRow> CreateAsync(BenchServers servers, CancellationToken ct)
        {
            await servers.ExecuteAsync("create table usage.hot_row (id integer primary key, used bigint not null); insert into usage.hot_row values (1, 0)", ct);
            var hotRow = new SqlHotRow();
            for (var n = 0; n < Callers.Count; n++)
            {
                var command = new NpgsqlCommand($"update usage.hot_row set used = used + {Peers.Tokens} where id = 1 and used + {Peers.Tokens} <= {Peers.CapTokens}", await servers.Postgres.OpenConnectionAsync(ct));
                await command.PrepareAsync(ct);
                hotRow._commands.Add(command);
            }
            return hotRow;
        }

        public Task<int> ReserveAsync(int caller) => _commands[caller].ExecuteNonQueryAsync();

        public async ValueTask DisposeAsync()
        {
            foreach (var command in _commands)
            {
                await command.Connection!.DisposeAsync();
                await command.DisposeAsync();
            }
        }
    }
}
