using System.Diagnostics;
using Contracts.Billing.V1;
using LocalServers;

namespace Chaos;

/// <summary>
/// A company whose usage service has three instances, on a PostgreSQL and a RabbitMQ of its own, all of which are killed at random under load, and
/// billing and plan design as well.
/// Rounds come in stretches: after each the load comes to its end, everything recovers, and the books must be right.
/// </summary>
public sealed class ChaosBench(int rounds, int seed, Action<string> say)
{
    private const int Instances = 3, RoundsPerStretch = 20, Subscriptions = 28, OfThieves = 4, AcknowledgedPerRoundMax = 60;
    // Longer than anybody is away: whoever is killed is back before what it granted has lapsed, so that nothing that was granted may be overrun.
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SilenceMax = TimeSpan.FromMinutes(2);
    private readonly Random _random = new(seed);
    private readonly Stopwatch _since = Stopwatch.StartNew();

    public async Task<ChaosFigures> RunAsync()
    {
        await using var folder = await ServerFolder.CreateAsync(Path.Combine(Path.GetTempPath(), $"billing-chaos-{Environment.UserName}"), say);
        var (starting, brokerStarting) = (PrivatePostgres.StartAsync(folder), PrivateRabbitMq.StartAsync(folder));
        await using var postgres = await starting;
        await using var rabbitMq = await brokerStarting;
        // Small grants: many decisions to interrupt.
        await using var company = await Company.OpenAsync(
            await postgres.CreateDatabaseAsync("chaos"), rabbitMq.Uri(), [Company.Usage, Company.Billing, Company.PlanDesign],
            ("Usage:ChunkTokens", "16"), ("Usage:LeaseSeconds", $"{Lease.TotalSeconds:0}"), ("Usage:ReportIntervalMs", "50"),
            ("Usage:Cluster:Mode", "Postgres"), ("Usage:Cluster:Port", "0"), ("Usage:Cluster:Address", "127.0.0.1"));
        Say("a company is open");
        (ServiceProcess Process, Uri Grpc)[] usage = [(company.Apart(Company.Usage), company.Address(Company.Usage)), .. await company.StartMoreUsageAsync(Instances - 1)];
        var victims = new Victims([.. usage.Select(u => u.Process)], company.Apart(Company.Billing), company.Apart(Company.PlanDesign), postgres, rabbitMq);
        await company.PublishMenuAsync();
        Say("everything is up, and a menu is on sale");

        var (loads, thieves, runtimes, analysts, books) = (new List<ChaosLoad>(), new List<Thieves>(), new List<RuntimeProcess>(), new List<ChaosMenus>(), new Books([], []));
        try
        {
            for (var done = 0; done < rounds; done += RoundsPerStretch)
            {
                var subscriptions = await company.SubscribeAsync(Subscriptions, loads.Count * Subscriptions);
                Say($"{Subscriptions} customers have subscribed");
                var (honest, stretch, addresses) = (subscriptions.SkipLast(OfThieves).ToArray(), $"stretch {loads.Count + 1}", usage.Select(u => u.Grpc).ToArray());
                loads.Add(new ChaosLoad(company, honest, stretch, addresses, [.. usage.Select(u => u.Process.Http)]));
                thieves.Add(new(company, [.. subscriptions.TakeLast(OfThieves)], $"{stretch} thieves", addresses));
                runtimes.Add(new(company, honest, $"{stretch} runtime", addresses));
                analysts.Add(new(company, $"stretch {loads.Count}"));
                analysts[^1].Start();
                thieves[^1].Start(_random.Next());
                await runtimes[^1].Process.StartAsync();
                victims.Runtime = runtimes[^1].Process;
                await PlayAsync(loads[^1], victims, done + 1, Math.Min(rounds, done + RoundsPerStretch));
                await victims.RecoveredAsync();
                victims.Runtime = null;
                await Task.WhenAll(loads[^1].FinishAsync(), thieves[^1].FinishAsync(), runtimes[^1].FinishAsync());
                foreach (var (id, talk) in runtimes[^1].Generated()) loads[^1].Generated[id] = talk;
                await analysts[^1].FinishAsync();
                Say("everything is back, and everybody has come to an end");
                books = await ChaosChecks.HoldAsync(company, subscriptions, loads, thieves.SelectMany(t => t.Stolen).ToDictionary(), Lease);
                await ChaosMenus.HoldAsync(company, analysts);
                Say($"after round {Math.Min(rounds, done + RoundsPerStretch)}: {books.Rows.Count:N0} rows in {books.Reports.Count:N0} reports, and they are right");
            }
        }
        finally
        {
            foreach (var thief in thieves) await thief.DisposeAsync();
            foreach (var load in loads) await load.DisposeAsync();
            foreach (var analyst in analysts) await analyst.DisposeAsync();
        }
        var resumed = runtimes.Sum(r => r.Resumed);
        foreach (var runtime in runtimes) await runtime.DisposeAsync();
        return new ChaosFigures
        {
            Rounds = rounds,
            Seed = seed,
            Kills = victims.Kills,
            Generations = loads.Sum(l => l.Generated.Count),
            Events = loads.Sum(l => l.Imported.Count),
            Menus = analysts.Sum(a => a.Published.Count),
            Denied = loads.Sum(l => l.Denied),
            TokensKnownToClients = loads.SelectMany(l => l.Generated.Values).Sum(t => t.Tokens) + loads.SelectMany(l => l.Imported.Values).Sum() + thieves.SelectMany(t => t.Stolen.Values).Sum(),
            Stolen = thieves.Sum(t => t.Stolen.Count),
            Resumed = resumed,
            TokensRecorded = books.Rows.Sum(r => r.Tokens.Output + r.Tokens.Reasoning + r.OverrunTokens),
            OverrunTokens = books.Rows.Sum(r => r.OverrunTokens),
            Forsaken = loads.Sum(l => l.Forsaken.Count),
            LongerThanLease = loads.SelectMany(l => l.Generated.Values).Count(t => t.Took >= Lease),
            Rows = books.Rows.Count,
            Reports = books.Reports.Count,
            LongestSilenceSeconds = Math.Round(loads.Max(l => l.LongestSilence).TotalSeconds, 1),
            Seconds = Math.Round(_since.Elapsed.TotalSeconds, 1),
        };
    }

    /// <summary>A round: the load goes on for a while, whatever was killed last, and at a random moment somebody is killed; sometimes two at once.</summary>
    private async Task PlayAsync(ChaosLoad load, Victims victims, int first, int last)
    {
        load.Start(_random.Next());
        var killed = "nobody";
        for (var round = first; round <= last; round++)
        {
            var enough = load.Acknowledged + _random.Next(1, AcknowledgedPerRoundMax);
            await GoesOnAsync(load, enough, killed);
            killed = await victims.KillAnyAsync(_random);
            if (_random.Next(4) == 0) killed += " and " + await victims.KillAnyAsync(_random);
            Say($"round {round}: {load.Acknowledged:N0} acknowledged, {killed} killed");
        }
        await GoesOnAsync(load, load.Acknowledged + AcknowledgedPerRoundMax, killed);
    }

    private void Say(string what) => say($"{_since.Elapsed.TotalSeconds,5:0} s  {what}");

    private static Task GoesOnAsync(ChaosLoad load, long enough, string killed) => Eventually.True(() =>
    {
        load.ThrowIfFaulted();
        return load.Silence > SilenceMax
            ? throw new ChaosException($"{killed} was killed, and for {SilenceMax.TotalMinutes} minutes nothing was acknowledged; these wait:\n{load.Waiting}")
            : load.Acknowledged >= enough;
    }, $"the load goes on after {killed} was killed", SilenceMax * 2);
}

/// <summary>Something did not hold.</summary>
public sealed class ChaosException(string message) : Exception(message);
