using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// A provider's counts as the meter's disjoint kinds. Reasoning is counted into the output by all of them. What a cache served or stored is
/// counted into the input by most, and beside it by some: Anthropic's interface counts it beside, and the clients that pass its numbers on
/// unchanged (Anthropic.SDK, the official client before it summed them, Bedrock's) are told by what they say. No count is below zero.
/// </summary>
internal readonly record struct DisjointKinds(PromptTokens Prompt, long Output, long Reasoning)
{
    public static DisjointKinds Of(UsageDetails usage)
    {
        var (input, output) = (AtLeastZero(usage.InputTokenCount), AtLeastZero(usage.OutputTokenCount));
        var cached = AtLeastZero(usage.CachedInputTokenCount ?? Additional(usage, "CacheRead"));
        var created = AtLeastZero(Additional(usage, "CacheCreation") ?? Additional(usage, "CacheWrite"));
        var reasoning = Math.Min(AtLeastZero(usage.ReasoningTokenCount), output);
        var fresh = AreBeside(usage, input, output, cached + created) ? input : input - cached - created;
        return new(new(fresh, cached, created), output - reasoning, reasoning);
    }

    /// <summary>
    /// CachedInputTokenCount is part of the input by its definition; who does not set it, and names the cache among the additional counts, has
    /// its provider's numbers as they are. And whatever anybody sets: a part is not larger than its whole, and a total is the sum of what it counts.
    /// </summary>
    private static bool AreBeside(UsageDetails usage, long input, long output, long cache) =>
        cache > 0 && (usage.CachedInputTokenCount is null || cache > input || usage.TotalTokenCount == input + cache + output);

    /// <summary>No provider-neutral name exists: Anthropic's are cache_read_input_tokens and cache_creation_input_tokens, Bedrock's CacheWriteInputTokens.</summary>
    private static long? Additional(UsageDetails usage, string name)
    {
        foreach (var (key, count) in usage.AdditionalCounts ?? [])
            if (key.Replace("_", "", StringComparison.Ordinal).Contains(name, StringComparison.OrdinalIgnoreCase)) return count;
        return null;
    }

    private static long AtLeastZero(long? count) => Math.Max(count ?? 0, 0);
}
