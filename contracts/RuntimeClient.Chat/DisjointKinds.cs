using Microsoft.Extensions.AI;

namespace RuntimeClient.Chat;

/// <summary>
/// A provider's counts as the meter's disjoint kinds. Providers count what a cache served into the input, and reasoning into the output; a
/// part may never be larger than its whole, whatever they say.
/// </summary>
internal readonly record struct DisjointKinds(PromptTokens Prompt, long Output, long Reasoning)
{
    public static DisjointKinds Of(UsageDetails usage)
    {
        var (input, output) = (AtLeastZero(usage.InputTokenCount), AtLeastZero(usage.OutputTokenCount));
        var cached = Math.Min(AtLeastZero(usage.CachedInputTokenCount), input);
        // No provider-neutral name for it yet: Anthropic's is cache_creation_input_tokens.
        var created = Math.Min(AtLeastZero(usage.AdditionalCounts?.FirstOrDefault(c => c.Key.Replace("_", "", StringComparison.Ordinal).Contains("CacheCreation", StringComparison.OrdinalIgnoreCase)).Value), input - cached);
        var reasoning = Math.Min(AtLeastZero(usage.ReasoningTokenCount), output);
        return new(new(input - cached - created, cached, created), output - reasoning, reasoning);
    }

    private static long AtLeastZero(long? count) => Math.Max(count ?? 0, 0);
}
