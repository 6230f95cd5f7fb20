using System.Diagnostics.Metrics;
using JasperFx;
using JasperFx.Events.Daemon;
using Microsoft.Extensions.Logging;

namespace Hosting;

/// <summary>
/// A projection or subscription that failed is paused by the daemon, and by itself nobody would start it again. It begins where it stopped: nothing is
/// skipped, and what it had already done of its page comes to it twice. Where it stopped, and why, is in the log and in the detail of
/// /health/ready until it is past it, and the metric billing.shards.stopped counts it. Tried again after one second, then two, up to eight.
/// </summary>
internal sealed class StoppedShards
{
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(8);
    private readonly Dictionary<string, Stop> _stops = [];
    private readonly Readiness _readiness;
    private readonly ILogger _log;

    public StoppedShards(Readiness readiness, IMeterFactory meters, ILogger log)
    {
        (_readiness, _log) = (readiness, log);
        meters.Create("Billing.Shards").CreateObservableGauge("billing.shards.stopped", () => _stops.Count, "{shard}", "Projections and subscriptions that stand still at an event they fail at, on the instance that runs them.");
    }

    private sealed record Stop(long Position, string Why, TimeSpan Pause, long Since);

    public async Task StartAgain(IProjectionDaemon daemon)
    {
        foreach (var agent in daemon.CurrentAgents())
        {
            var name = agent.Name.Identity;
            var known = _stops.GetValueOrDefault(name);
            if (agent.Status != AgentStatus.Paused)
            {
                if (known is not null && agent.Position > known.Position) Past(name);
                continue;
            }
            if (known is null || agent.Failure is { } failure && WhyOf(agent, failure) != known.Why)
            {
                var why = agent.Failure is { } first ? WhyOf(agent, first) : $"it stopped after event {agent.Position}";
                _stops[name] = known = new(agent.Position, why, known?.Pause ?? TimeSpan.FromSeconds(1), TimeProvider.System.GetTimestamp());
                _readiness.Note(name, why);
                _log.LogError("{Shard} stands still: {Why}. It skips nothing, and is tried again", name, why);
            }
            if (TimeProvider.System.GetElapsedTime(known.Since) < known.Pause) continue;
            _stops[name] = known with { Pause = known.Pause * 2 < PauseMax ? known.Pause * 2 : PauseMax, Since = TimeProvider.System.GetTimestamp() };
            await daemon.StartAgentAsync(agent.Name, CancellationToken.None);
        }
    }

    /// <summary>Another instance leads: what stands still there is said there.</summary>
    public void Forget()
    {
        foreach (var name in _stops.Keys) _readiness.Forget(name);
        _stops.Clear();
    }

    private void Past(string name)
    {
        _stops.Remove(name);
        _readiness.Forget(name);
        _log.LogInformation("{Shard} goes on", name);
    }

    private static string WhyOf(ISubscriptionAgent agent, ShardFailure failure)
    {
        var where = failure.Event is { } e ? $"at event {e.Sequence}, {e.EventTypeName} {e.EventId}, version {e.Version} of {e.StreamKey}" : $"after event {agent.Position}";
        return $"{where}: {Root(failure)}";
    }

    /// <summary>The innermost cause is the one that names the fault.</summary>
    private static string Root(ShardFailure failure)
    {
        const string inner = "---> ";
        var line = failure.Detail.Split('\n').LastOrDefault(l => l.Contains(inner, StringComparison.Ordinal));
        return line is null ? failure.Message.ReplaceLineEndings(" ") : line[(line.LastIndexOf(inner, StringComparison.Ordinal) + inner.Length)..].Trim();
    }
}
