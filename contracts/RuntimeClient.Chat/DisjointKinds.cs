using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// A provider's counts as the meter's disjoint kinds. What a cache served or stored is counted into the input by most, and beside it by some:
/// Anthropic's interface counts it beside, and the clients that pass its numbers on unchanged (Anthropic.SDK, the official client before it
/// summed them, Bedrock's) are told by what they say. So is reasoning: into the output by most, beside it by Gemini. No count is below zero.
/// </summary>
internal readonly record struct DisjointKinds(PromptTokens Prompt, long Output, long Reasoning)
{
    public static DisjointKinds Of(UsageDetails usage)
    {
        var (input, output, reasoning) = (AtLeastZero(usage.InputTokenCount), AtLeastZero(usage.OutputTokenCount), AtLeastZero(usage.ReasoningTokenCount));
        var cached = AtLeastZero(usage.CachedInputTokenCount ?? Additional(usage, "CacheRead"));
        var created = AtLeastZero(Additional(usage, "CacheCreation") ?? Additional(usage, "CacheWrite"));
        var cache = cached + created;
        var besideOutput = ReasoningIsBeside(usage.TotalTokenCount, input, cache, output, reasoning);
        var besideInput = CacheIsBeside(usage, input, cache, besideOutput ? output + reasoning : output);
        return new(new(besideInput ? input : input - cache, cached, created), besideOutput ? output : output - reasoning, reasoning);
    }

    // Whatever anybody sets: a part is not larger than its whole, and a total is the sum of what it counts.

    private static bool ReasoningIsBeside(long? total, long input, long cache, long output, long reasoning) =>
        reasoning > output ||
        (reasoning > 0 && total != input + output && total != input + cache + output && (total == input + output + reasoning || total == input + cache + output + reasoning));

    /// <summary>
    /// CachedInputTokenCount is part of the input by its definition; who does not set it, and names the cache among the additional counts, has
    /// its provider's numbers as they are.
    /// </summary>
    private static bool CacheIsBeside(UsageDetails usage, long input, long cache, long generated) =>
        cache > 0 && (usage.CachedInputTokenCount is null || cache > input || usage.TotalTokenCount == input + cache + generated);

    /// <summary>No provider-neutral name exists: Anthropic's are cache_read_input_tokens and cache_creation_input_tokens, Bedrock's CacheWriteInputTokens.</summary>
    private static long? Additional(UsageDetails usage, string name)
    {
        foreach (var (key, count) in usage.AdditionalCounts ?? [])
            if (key.Replace("_", "", StringComparison.Ordinal).Contains(name, StringComparison.OrdinalIgnoreCase)) return count;
        return null;
    }

    private static long AtLeastZero(long? count) => Math.Max(count ?? 0, 0);
}
