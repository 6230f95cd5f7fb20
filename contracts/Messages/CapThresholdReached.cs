namespace Contracts.Messages;

/// <summary>
/// A subscription has used so much of a cap, or will run out of it if it goes on like this. From usage, for whoever warns customers. Said once for
/// each window, cap and threshold; at least once on the wire, with the same message id.
/// </summary>
/// <param name="Window">five_hours, week, billing_period, or conversation where that is asked for</param>
/// <param name="Conversation">the conversation, for a cap of conversations; else empty</param>
/// <param name="Threshold">percent_50, percent_80, percent_100 or projected_exhaustion</param>
/// <param name="Enforcement">hard (it stops) or billed (it goes on, at a price)</param>
/// <param name="ExhaustedAt">when the cap is used up at the average pace of this window; only with projected_exhaustion</param>
/// <param name="ReachedAt">business time</param>
public sealed record CapThresholdReached(
    string SubscriptionId,
    string PlanId,
    string Window,
    string Conversation,
    string Enforcement,
    string Threshold,
    long CapTokens,
    long UsedTokens,
    DateTimeOffset? WindowOpenedAt,
    DateTimeOffset? WindowClosesAt,
    DateTimeOffset? ExhaustedAt,
    DateTimeOffset ReachedAt);
