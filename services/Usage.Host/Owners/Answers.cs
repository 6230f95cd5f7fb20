using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Usage.Caps;

namespace Usage.Host.Owners;

/// <summary>Outcomes as frames on the wire.</summary>
public static class Answers
{
    private const int SaidIdMax = 64;

    /// <param name="now">real time</param>
    public static MeterFrame Granted(Outcome outcome, DateTimeOffset now) => new()
    {
        Grant = new Grant
        {
            GenerationId = Id(outcome.Generation!.Id),
            TokensAllowed = outcome.Number,
            ExpiresAt = outcome.When!.Value.ToTimestamp(),
            Final = outcome.Final,
            // One that has run out is said all the same, and 0 would be none said.
            ValidForMs = Math.Max((long)(outcome.When.Value - now).TotalMilliseconds, 1),
            Reason = outcome.Why.Code ?? "",
            Window = outcome.Window?.Name() ?? "",
        },
    };

    /// <summary>A frame that is refused unread, as every other of its kind that makes no sense.</summary>
    public static MeterFrame Invalid(RuntimeFrame frame, Refusal why) => frame.FrameCase switch
    {
        RuntimeFrame.FrameOneofCase.Start => Denied(frame.Start, why),
        RuntimeFrame.FrameOneofCase.Chunk => Rejected(frame.Chunk.GenerationId, frame.Chunk.Sequence, why),
        RuntimeFrame.FrameOneofCase.Finish => Rejected(frame.Finish.GenerationId, frame.Finish.Sequence, why),
        RuntimeFrame.FrameOneofCase.Renew => Rejected(frame.Renew.GenerationId, 0, why),
        _ => Rejected("", 0, why),
    };

    public static MeterFrame Denied(Start start, Refusal why, CapWindow? window = null, DateTimeOffset? retryAfter = null) => new()
    {
        Deny = new Deny { GenerationId = Clipped(start.GenerationId), Asker = start.Asker, Attempt = start.Attempt, Reason = why.Code, Detail = why.Detail, Window = window?.Name() ?? "", RetryAfter = retryAfter?.ToTimestamp() },
    };

    public static MeterFrame Stopped(Outcome outcome) => new()
    {
        Stop = new Stop { GenerationId = Id(outcome.Generation!.Id), Reason = outcome.Why.Code, Detail = outcome.Why.Detail, Window = outcome.Window?.Name() ?? "" },
    };

    public static MeterFrame Rejected(string generation, long sequence, Refusal why) => new()
    {
        Rejection = new Rejection { GenerationId = Clipped(generation), Sequence = sequence, Reason = why.Code, Detail = why.Detail },
    };

    public static MeterFrame Acknowledged(Guid generation, long sequence, bool finished) => new()
    {
        Ack = new Ack { GenerationId = Id(generation), Sequence = sequence, Finished = finished },
    };

    /// <param name="sequence">up to which all of it is committed</param>
    public static MeterFrame Resumed(Generation generation, long sequence)
    {
        var frame = Acknowledged(generation.Id, sequence, generation.Finished && generation.AllDurable);
        frame.Ack.TakenSequence = generation.NextSequence - 1;
        frame.Ack.Reported = new TokenCounts { Output = generation.Reported.Output, Reasoning = generation.Reported.Reasoning };
        return frame;
    }

    public static Balance Balance(SubscriptionTerms terms, IReadOnlyList<BalanceLine> lines)
    {
        var balance = new Balance
        {
            SubscriptionId = Ids.Format(Ids.Subscription, terms.Subscription),
            PlanId = Ids.Format(Ids.Plan, terms.Plan),
            Status = terms.Active ? "active" : terms.Paused ? "paused" : "cancelled",
        };
        foreach (var line in lines)
            balance.Windows.Add(new WindowBalance
            {
                Window = line.Rule.Window.Name(),
                Enforcement = line.Rule.Hard ? "hard" : "billed",
                CapTokens = line.Rule.Tokens,
                UsedTokens = line.UsedTokens,
                ReservedTokens = line.ReservedTokens,
                OpenedAt = line.OpenedAt?.ToTimestamp(),
                ClosesAt = line.ClosesAt?.ToTimestamp(),
            });
        return balance;
    }

    /// <summary>As the runtime said it, if it may be an id: what waits for a client that does not read must be bounded by how much of it there is.</summary>
    private static string Clipped(string generation) => generation.Length <= SaidIdMax ? generation : generation[..SaidIdMax];

    public static string Id(Guid generation) => Ids.Format(Ids.Generation, generation);
}
