using Billing;
using Billing.Periods;

namespace Usage.Simulation.Tests;

/// <summary>What billing has in its database of one shard.</summary>
internal sealed class BilledShard
{
    public Dictionary<long, UsageReport> Applied { get; } = [];
    /// <summary>Refused, and kept until they can be entered.</summary>
    public Dictionary<long, UsageReport> Parked { get; } = [];
    public long Through { get; set; }
}

/// <summary>
/// One process of billing: consumes reports at least once and in any order, over the real decisions, parks what they refuse, and fetches numbers that never came,
/// or that are parked.
/// Its database is another one than usage's; what is in it outlives the process.
/// </summary>
internal sealed class SimulatedBilling : Process
{
    private const int LookAgainMs = 5_000, SoonMs = 200, BackoffMs = 500;
    private readonly World _world;
    private readonly BilledShard[] _shards;
    private bool _soon;

    public SimulatedBilling(World world, BilledShard[] shards)
        : base(world.Schedule)
    {
        (_world, _shards) = (world, shards);
        After(world.Draw.Int(0, LookAgainMs), LookForGaps);
    }

    /// <summary>Acknowledged once it is known to be in the books, however long the database does not answer.</summary>
    public async Task ConsumeAsync(UsageReport report)
    {
        while (!await EnterAsync(report)) await Pause(BackoffMs);
        _world.Broker.Acknowledge(report);
        if (_shards[report.Shard].Through >= report.Number || _soon) return;
        _soon = true;
        After(SoonMs, () =>
        {
            _soon = false;
            Run(CatchUpAsync);
        });
    }

    private void LookForGaps() => Run(async () =>
    {
        if (_world.Draw.Chance(0.2)) await ReplayAsync();
        await CatchUpAsync();
        After(LookAgainMs, LookForGaps);
    });

    /// <summary>Somebody has what is parked taken again, in the right moment or not.</summary>
    private async Task ReplayAsync()
    {
        foreach (var parked in _shards.SelectMany(s => s.Parked.Values).ToList())
            if (_world.Mutation != Mutation.ParkedForGood) await EnterAsync(parked);
    }

    /// <summary>Asks usage how far it is, and for every report up to there that is missing here.</summary>
    private async Task CatchUpAsync()
    {
        foreach (var (billed, shard) in _shards.Select((billed, shard) => (billed, shard)))
        {
            await Pause(_world.Schedule.Delay());
            var reports = _world.Store.Shards[shard].Reports;
            for (var number = billed.Through + 1; number <= reports.Count; number++)
            {
                if (billed.Applied.ContainsKey(number) || (_world.Mutation == Mutation.ParkedForGood && billed.Parked.ContainsKey(number))) continue;
                await Pause(_world.Schedule.Delay());
                if (_world.Faults.StoreFails() || !await EnterAsync(reports[(int)number - 1].What)) return;
            }
        }
    }

    /// <returns>false if the database did not answer: it may be in the books all the same</returns>
    private async Task<bool> EnterAsync(UsageReport report)
    {
        if (ReportChain.OwnFault(report) is { } fault) throw new ViolationException($"U5: report {report.Number} of shard {report.Shard}: {fault}");
        await Pause(_world.Schedule.Delay());
        var fate = _world.Faults.Commit();
        if (fate != Fate.Lost) Enter(report);
        await Pause(_world.Schedule.Delay());
        return fate == Fate.Answered;
    }

    /// <summary>One transaction, under the lock of the shard.</summary>
    private void Enter(UsageReport report)
    {
        var shard = _shards[report.Shard];
        if (shard.Applied.TryGetValue(report.Number, out var same) && same.Chain == report.Chain && _world.Mutation != Mutation.ReportsBilledAgain) return;
        if (_world.Mutation != Mutation.ReportsBilledAgain && ReportChain.Broken(report, Neighbours(shard, report.Number)) is { } broken) throw new ViolationException($"U5: shard {report.Shard}: {broken}");
        var decision = ApplyReportDecision.Decide(report, _world.Plans.Opened, _world.Plans.Sold);
        if (decision.Refused is { } refusal)
        {
            _world.Observer.Publishing.Refused(report, refusal);
            if (_world.Mutation != Mutation.RefusedIsPassedOver)
            {
                shard.Parked[report.Number] = report;
                return;
            }
        }
        shard.Applied[report.Number] = report;
        shard.Parked.Remove(report.Number);
        while (shard.Applied.ContainsKey(shard.Through + 1)) shard.Through++;
        if (decision.Refused is null) _world.Observer.Publishing.Applied(report, decision.Events);
        _world.Observer.Publishing.Complete(report.Shard, shard.Through);
    }

    private static Dictionary<long, ReportLink> Neighbours(BilledShard shard, long number)
    {
        var neighbours = new Dictionary<long, ReportLink>();
        for (var near = number - 1; near <= number + 1; near++)
            if (shard.Applied.TryGetValue(near, out var r)) neighbours.Add(near, new(r.FirstBatch, r.LastBatch, r.PreviousChain, r.Chain));
        return neighbours;
    }
}
