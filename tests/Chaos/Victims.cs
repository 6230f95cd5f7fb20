using LocalServers;

namespace Chaos;

/// <summary>What can be killed with kill -9, and is started again at once on the same data and ports.</summary>
public sealed class Victims(IReadOnlyList<ServiceProcess> usage, ServiceProcess billing, ServiceProcess planDesign, PrivatePostgres postgres, PrivateRabbitMq rabbitMq)
{
    // Usage most often, for most of what can go wrong is its own. All lots are drawn before any comes again: nobody is spared for long.
    private static readonly string[] Lots = ["usage", "usage", "usage", "billing", "plan-design", "postgres", "rabbitmq", "runtime"];
    private readonly Queue<string> _drawn = new();
    private readonly SortedDictionary<string, int> _kills = new(StringComparer.Ordinal);
    private Task _broker = Task.CompletedTask;

    public IReadOnlyDictionary<string, int> Kills => _kills;

    /// <summary>A runtime that is a process of its own; null while none plays.</summary>
    public ServiceProcess? Runtime { get; set; }

    /// <returns>who it was, for a message</returns>
    public async Task<string> KillAnyAsync(Random random)
    {
        if (_drawn.Count == 0)
            foreach (var lot in Shuffled(random)) _drawn.Enqueue(lot);
        var victim = _drawn.Dequeue();
        _kills[victim] = _kills.GetValueOrDefault(victim) + 1;
        switch (victim)
        {
            case "usage":
                var which = random.Next(usage.Count);
                await AgainAsync(usage[which]);
                return $"usage {which + 1}";
            case "billing":
                await AgainAsync(billing);
                break;
            case "plan-design":
                await AgainAsync(planDesign);
                break;
            case "runtime":
                await AgainAsync(Runtime!);
                break;
            case "postgres":
                postgres.Kill();
                await postgres.RestartAsync();
                break;
            default:
                // It takes its time to come back, and nobody who meters needs it meanwhile.
                await _broker;
                rabbitMq.Kill();
                _broker = Task.Run(() => rabbitMq.RestartAsync());
                break;
        }
        return victim;
    }

    /// <summary>Everything is back, and says that it is ready.</summary>
    public async Task RecoveredAsync()
    {
        await _broker;
        await Task.WhenAll(usage.Append(billing).Append(planDesign).Select(service => service.ReadyAsync()));
    }

    private static string[] Shuffled(Random random)
    {
        string[] lots = [.. Lots];
        random.Shuffle(lots);
        return lots;
    }

    private static async Task AgainAsync(ServiceProcess service)
    {
        await service.KillAsync();
        await service.StartAsync();
    }
}
