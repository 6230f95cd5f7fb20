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
    /// <summary>A new owner reads the tables without the windows that have turned: it takes the first that was opened.</summary>
    TurnedWindowsUnread,
    /// <summary>A new owner reads the tables without the generations whose ids are ahead of time: it believes that they have none of them.</summary>
    AheadUnread,
    /// <summary>A correction is made without a look whether its key was answered before.</summary>
    CorrectionWithoutKey,
    /// <summary>The owner is told of a correction only if the answer to its commit was not lost.</summary>
    CorrectionUntold,
    /// <summary>Thresholds that a correction has passed are stored while rows that they count are not committed yet. The product did this once.</summary>
    CorrectionAnnouncedAtOnce,
    /// <summary>Thresholds that a correction has passed are stored nowhere.</summary>
    CorrectionUnannounced,
    /// <summary>Thresholds that a lowered cap has passed are stored nowhere.</summary>
    LoweredCapUnannounced,
    /// <summary>A writer keeps the pace of its own reports, and knows nothing of those that another has cut, or of an answer that was lost. The product did this once.</summary>
    PaceForgotten,
    /// <summary>A commit is planned over the head that the writer remembers, and not over the one that the table has.</summary>
    HeadRemembered,
    /// <summary>Reports are marked as published when they are sent.</summary>
    MarkedBeforeConfirmed,
    /// <summary>Reports are published whether a queue takes them or not.</summary>
    ReportsNotMandatory,
    /// <summary>Billing enters a report that comes again.</summary>
    ReportsBilledAgain,
    /// <summary>Thresholds are stored when they are noticed, and not with the usage that passed them.</summary>
    ThresholdsBeforeUsage,
    /// <summary>A commit is planned again as if the one whose answer got lost had not happened, and overwrites what it finds.</summary>
    RepeatsCountedAgain,
    /// <summary>An owner that has not read the tables yet cuts its lost predecessor's slab down to nothing. The product did this once.</summary>
    UnloadedLeavesSlab,
    /// <summary>An owner frees what a lease reserved although it has not heard, since the lease ended, that it is still the owner. The product did this once.</summary>
    LeasesEndUnconfirmed,
    /// <summary>Nobody asks billing for terms that a generation waits for.</summary>
    TermsNeededUnheard,
    /// <summary>PostgreSQL leaves alone a transaction whose client has fallen silent.</summary>
    IdleTransactionsStay,
    /// <summary>Whoever wants a shard leaves alone one that has fallen silent in the middle of a COPY, where it is not idle.</summary>
    SilentCopiesStay,
    /// <summary>Of reports that are published together all count as taken, although the broker has refused one.</summary>
    RefusalOverheard,
    /// <summary>Billing passes over a report that it has refused.</summary>
    RefusedIsPassedOver,
    /// <summary>What billing has parked is not taken again when its cause is mended.</summary>
    ParkedForGood,
    /// <summary>An owner in memory is not told that its subscription is paused.</summary>
    PauseUntold,
    /// <summary>An owner grants a Start although it has denied one that its runtime said later.</summary>
    DenialsForgotten,
    /// <summary>Whoever takes a shard leaves the totals of what ran as they are.</summary>
    TotalsNotMadeWhole,
    /// <summary>A commit that may have happened is made again, and the totals are taken to be where they would be if it had not.</summary>
    DoubtfulTotals,
    /// <summary>The totals of a conversation and a generation are read while they lack rows.</summary>
    TotalsReadBehind,
    /// <summary>A Start is decided over what was read of its generation and its conversation, although their owner has forgotten them since.</summary>
    ForgottenSinceUsed,
}

/// <summary>How a commit that was sent goes.</summary>
internal enum Fate { Answered, HappensUnanswered, Lost }

/// <summary>What goes wrong in a story, and how often. All of it ends when the story turns calm.</summary>
internal sealed class Faults(Schedule schedule, double storeFailure, double lostAnswer)
{
    private bool _calm;

    /// <summary>The database is away for everyone until then.</summary>
    public long OutageUntilMs { get; set; }

    /// <summary>Likewise the broker.</summary>
    public long BrokerAwayUntilMs { get; set; }

    public void Calm() => (_calm, OutageUntilMs, BrokerAwayUntilMs) = (true, 0, 0);

    public bool StoreFails() => !_calm && (schedule.NowMs < OutageUntilMs || schedule.Draw.Chance(storeFailure));

    public bool BrokerFails() => !_calm && (schedule.NowMs < BrokerAwayUntilMs || schedule.Draw.Chance(lostAnswer / 2));

    /// <summary>It takes a message not, though it is there: it is short of something.</summary>
    public bool BrokerRefuses() => !_calm && schedule.Draw.Chance(0.03);

    public Fate Commit() => _calm || !schedule.Draw.Chance(lostAnswer) ? Fate.Answered : schedule.Draw.Chance(0.6) ? Fate.HappensUnanswered : Fate.Lost;
}
