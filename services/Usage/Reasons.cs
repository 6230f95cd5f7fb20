namespace Usage;

/// <summary>Every reason usage gives, as runtimes read them: contracts/README.md says what to do about each.</summary>
public static class Reasons
{
    public const string
        SubscriptionUnknown = "subscription_unknown",
        SubscriptionStale = "subscription_stale",
        SubscriptionPaused = "subscription_paused",
        SubscriptionCancelled = "subscription_cancelled",
        ModelNotInPlan = "model_not_in_plan",
        CapReached = "cap_reached",
        GenerationTimeOutOfRange = "generation_time_out_of_range",
        GenerationReused = "generation_reused",
        GenerationFinished = "generation_finished",
        GenerationUnknown = "generation_unknown",
        GenerationsTooMany = "generations_too_many",
        GrantPending = "grant_pending",
        BeyondGrant = "beyond_grant",
        GrantExpired = "grant_expired",
        SequenceGap = "sequence_gap",
        SequenceReused = "sequence_reused",
        CountsNegative = "counts_negative",
        CountsDecreasing = "counts_decreasing",
        CountsAbsurd = "counts_absurd",
        CountsOfWrongKind = "counts_of_wrong_kind",
        FrameInvalid = "frame_invalid",
        FramesTooMany = "frames_too_many",
        RateLimited = "rate_limited",
        StreamsTooMany = "streams_too_many",
        WatchersTooMany = "watchers_too_many",
        ReaderTooSlow = "reader_too_slow",
        StreamIdle = "stream_idle",
        ReportUnknown = "report_unknown",
        BatchUnknown = "batch_unknown",
        QueryTooLarge = "query_too_large",
        UsageUnknown = "usage_unknown",
        CorrectionAmbiguous = "correction_ambiguous",
        CorrectionBelowZero = "correction_below_zero",
        StoreUnavailable = "store_unavailable",
        Draining = "draining",
        OwnerMoved = "owner_moved";
}
