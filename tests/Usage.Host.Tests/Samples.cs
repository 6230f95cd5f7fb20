using Contracts.Messages;
using Contracts.Usage.V1;

namespace Usage.Host.Tests;

/// <summary>Subscriptions and frames as tests need them, with ids that are the same in every run.</summary>
public static class Samples
{
    public static readonly DateTimeOffset Jan1 = UsageService.Jan1;
    public static readonly DateTimeOffset Feb1 = new(2026, 2, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset Mar1 = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);

    public static string SubscriptionId(string name) => Ids.Derive(Ids.Subscription, Jan1, name);
    public static string PlanId(string name) => Ids.Derive(Ids.Plan, Jan1, name);
    public static string PeriodId(string subscription, int number) => Ids.Derive(Ids.Period, Jan1, subscription, $"{number}");
    public static string GenerationId(string name) => GenerationId(name, Jan1);

    /// <summary>A UUIDv7 that depends on its name alone.</summary>
    public static string GenerationId(string name, DateTimeOffset at)
    {
        var hex = Ids.DeriveGuid(at, name).ToString("n");
        return $"gen_{hex[..12]}7{hex[13..]}";
    }

    public static PublishedCap Hard(string window, long tokens, params string[] counts) =>
        new(window, tokens, counts.Length == 0 ? ["output", "reasoning"] : counts, "hard");

    public static SubscriptionChanged Snapshot(string name, params PublishedCap[] caps) => new(
        SubscriptionId(name), 1, Ids.Derive(Ids.Customer, Jan1, name), "active", Ids.Derive(Ids.Menu, Jan1, "menu"), PlanId("small"), caps, [],
        new SubscriptionPeriod(PeriodId(name, 0), 0, Jan1, Feb1), new SubscriptionPeriod(PeriodId(name, 1), 1, Feb1, Mar1), Jan1);

    public static Start Start(string generation, string subscription, string conversation = "c1", long input = 0, long maxOutput = 0, CountMode mode = CountMode.Unspecified) => new()
    {
        GenerationId = GenerationId(generation),
        SubscriptionId = SubscriptionId(subscription),
        Conversation = conversation,
        Model = "small-model",
        Prompt = new TokenCounts { Input = input },
        MaxOutputTokens = maxOutput,
        Mode = mode,
    };

    public static Chunk Chunk(string generation, long sequence, long output, long reasoning = 0) => new()
    {
        GenerationId = GenerationId(generation),
        Sequence = sequence,
        Tokens = new TokenCounts { Output = output, Reasoning = reasoning },
    };

    public static Finish Finish(string generation, long sequence, FinishReason reason = FinishReason.Stop) => new()
    {
        GenerationId = GenerationId(generation),
        Sequence = sequence,
        Reason = reason,
    };
}
