using System.Text;
using Contracts.Usage.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Usage.Caps;
using Usage.Metering;
using CountMode = Usage.Caps.CountMode;
using FinishReason = Usage.Caps.FinishReason;

namespace Usage.Host.Owners;

/// <summary>What a runtime says, checked. A frame that makes no sense is refused by itself and hurts nobody else's.</summary>
public sealed class Frames(BusinessClock clock, UsageOptions options)
{
    private const int NameBytesMax = 128;
    private const long TokensWantedMax = MeterLimits.CountMax;
    private static readonly TimeSpan AheadMax = TimeSpan.FromMinutes(5);
    // What any database and any language can hold; outside it a clock is broken.
    private static readonly DateTimeOffset Earliest = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero), Latest = new(2200, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Whether a frame has more bytes than any that makes sense: it goes no further, not even to another process.</summary>
    public static Refusal? TooLarge(IMessage frame, UsageOptions options) => frame.CalculateSize() > options.FrameBytesMax
        ? Invalid($"a frame has at most {options.FrameBytesMax} bytes")
        : null;

    public Refusal? Read(Start start, out GenerationHeader header)
    {
        header = null!;
        if (!Ids.TryParse(Ids.Generation, start.GenerationId, out var generation))
            return Invalid("generation_id must be gen_ and the 32 lower-case hex digits of a UUIDv7 that the runtime minted");
        if (generation.Version != 7) return Invalid("generation_id must be a UUIDv7: its first 48 bits are its time in Unix milliseconds");
        if (!Ids.TryParse(Ids.Subscription, start.SubscriptionId, out var subscription)) return Invalid("subscription_id must be sub_ and 32 lower-case hex digits");
        if (NameFault(start.Conversation) || NameFault(start.Model)) return Invalid($"conversation and model must have 1 to {NameBytesMax} bytes, none of them zero");
        if (start.MaxOutputTokens is < 0 or > MeterLimits.CountMax) return Invalid($"max_output_tokens must be from 0 (no limit) to {MeterLimits.CountMax}");
        if (!System.Enum.IsDefined(start.Mode)) return Invalid("mode must be cumulative or increment");
        var prompt = Counts(start.Prompt);
        if (SubscriptionOwner.Fault(prompt) is { } fault) return fault;
        if (prompt.Generated != 0) return new Refusal(Reasons.CountsOfWrongKind, "a prompt has input kinds only; output and reasoning belong in chunks");

        var (dated, now) = (Ids.TimeOf(generation), clock.Now);
        if (dated > now + AheadMax || dated < now - TimeSpan.FromDays(options.RetentionDays))
            return new Refusal(
                Reasons.GenerationTimeOutOfRange,
                $"the id is dated {dated:O}, and must lie from {options.RetentionDays} days before to 5 minutes after {now:O}: mint ids when generations start, by a correct clock");
        header = new GenerationHeader(
            generation, subscription, start.Conversation, start.Model, prompt, start.MaxOutputTokens,
            start.Mode == Contracts.Usage.V1.CountMode.Increment ? CountMode.Increment : CountMode.Cumulative);
        return null;
    }

    /// <summary>A generation lives no longer than the retention: then its partition goes.</summary>
    public Refusal? IsTooOld(Guid generation) => Ids.TimeOf(generation) < clock.Now - TimeSpan.FromDays(options.RetentionDays)
        ? new(Reasons.GenerationTimeOutOfRange, $"the generation began more than {options.RetentionDays} days ago; what it reported is recorded; a new one takes a new id")
        : null;

    public static Refusal? Read(Chunk chunk, out Frame frame)
    {
        frame = new Frame(chunk.Sequence, Counts(chunk.Tokens), chunk.Tokens is not null, Time(chunk.At, out var invalid), FinishReason.None);
        return invalid;
    }

    public static Refusal? Read(Finish finish, out Frame frame)
    {
        var reason = finish.Reason switch
        {
            Contracts.Usage.V1.FinishReason.Stop => FinishReason.Stop,
            Contracts.Usage.V1.FinishReason.Length => FinishReason.Length,
            Contracts.Usage.V1.FinishReason.Cap => FinishReason.Cap,
            _ => FinishReason.Abort,
        };
        frame = new Frame(finish.Sequence, Counts(finish.Totals), finish.Totals is not null, Time(finish.At, out var invalid), reason);
        if (finish.Reason == Contracts.Usage.V1.FinishReason.Unspecified || !System.Enum.IsDefined(finish.Reason))
            return Invalid("reason must say why the generation ended: stop, length, cap or abort");
        return invalid;
    }

    public static Refusal? ReadWanted(long tokensWanted) =>
        tokensWanted is < 0 or > TokensWantedMax ? Invalid($"tokens_wanted must be from 0 (the server's chunk) to {TokensWantedMax}") : null;

    private static Tally Counts(TokenCounts? counts) =>
        counts is null ? Tally.Zero : new Tally(counts.Input, counts.CachedInput, counts.CacheCreation, counts.Output, counts.Reasoning);

    private static DateTimeOffset? Time(Timestamp? at, out Refusal? invalid)
    {
        invalid = null;
        if (at is null) return null;
        var earliest = Earliest.ToUnixTimeSeconds();
        if (at.Seconds >= earliest && at.Seconds < Latest.ToUnixTimeSeconds() && at.Nanos is >= 0 and < 1_000_000_000) return at.ToDateTimeOffset();
        invalid = Invalid("at must be a time between the years 2000 and 2200, or absent");
        return null;
    }

    /// <summary>What a table can hold as the name of a conversation or a model.</summary>
    /// <exception cref="FormatException">It cannot; names the field.</exception>
    public static string Name(string name, string field) => name.Length == 0 || !NameFault(name) ? name
        : throw new FormatException($"{field} must have at most {NameBytesMax} bytes, none of them zero");

    private static bool NameFault(string name) =>
        name.Length is 0 or > NameBytesMax || name.Contains('\0', StringComparison.Ordinal) || Encoding.UTF8.GetByteCount(name) > NameBytesMax;

    private static Refusal Invalid(string detail) => new(Reasons.FrameInvalid, detail);
}
