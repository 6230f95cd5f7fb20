namespace Usage.Simulation.Tests;

/// <summary>A deliberate fault in what surrounds the product's pure code, to show that the simulation would notice it there.</summary>
public enum Mutation
{
    None,
    /// <summary>The owner is told that its slab is durable before it is.</summary>
    SlabNotDurable,
    /// <summary>Commits do not compare their epoch with the shard's.</summary>
    EpochUnchecked,
    /// <summary>Rows are acknowledged when they are queued.</summary>
    AcknowledgedBeforeCommit,
    /// <summary>A new owner reads the tables without the slab of the lost one.</summary>
    SlabIgnored,
    /// <summary>A commit is planned again as if the one whose answer got lost had not happened, and overwrites what it finds.</summary>
    RepeatsCountedAgain,
    /// <summary>An owner that has not read the tables yet cuts its lost predecessor's slab down to nothing. The product did this once.</summary>
    UnloadedLeavesSlab,
    /// <summary>An owner frees what a lease reserved although it has not heard, since the lease ended, that it is still the owner. The product did this once.</summary>
    LeasesEndUnconfirmed,
}

/// <summary>How a commit that was sent goes.</summary>
internal enum Fate { Answered, HappensUnanswered, Lost }

/// <summary>What goes wrong in a story, and how often. All of it ends when the story turns calm.</summary>
internal sealed class Faults(Schedule schedule, double storeFailure, double lostAnswer)
{
    private bool _calm;

    /// <summary>The database is away for everyone until then.</summary>
    public long OutageUntilMs { get; set; }

    public void Calm() => (_calm, OutageUntilMs) = (true, 0);

    public bool StoreFails() => !_calm && (schedule.NowMs < OutageUntilMs || schedule.Draw.Chance(storeFailure));

    public Fate Commit() => _calm || !schedule.Draw.Chance(lostAnswer) ? Fate.Answered : schedule.Draw.Chance(0.6) ? Fate.HappensUnanswered : Fate.Lost;
}
