using Microsoft.Extensions.AI;
using RuntimeClient.Chat;

namespace RuntimeClient.Tests;

public sealed class ProviderCountsTests
{
    [Theory] // input, cached, created, output, reasoning → fresh, served, stored, said, reasoned
    [InlineData(10, 4, 3, 50, 20, 3, 4, 3, 30, 20)] // within the input, as OpenAI and the official Anthropic client of today count
    [InlineData(10, 15, 9, 50, 70, 10, 15, 9, 50, 70)] // a part is not larger than its whole, so it stands beside it
    [InlineData(10, null, null, 5, null, 10, 0, 0, 5, 0)]
    [InlineData(10, null, 3, 5, null, 10, 0, 3, 5, 0)] // who names only a creation has Anthropic's numbers as they are
    [InlineData(null, 4, -3, null, -1, 0, 4, 0, 0, 0)]
    public void Counts_become_disjoint_kinds_and_none_is_below_zero(
        int? input, int? cached, int? created, int? output, int? reasoning, long fresh, long served, long stored, long said, long reasoned)
    {
        var usage = new UsageDetails { InputTokenCount = input, CachedInputTokenCount = cached, OutputTokenCount = output, ReasoningTokenCount = reasoning };
        if (created is { } count) usage.AdditionalCounts = new() { ["cache_creation_input_tokens"] = count };
        Assert.Equal(new DisjointKinds(new(fresh, served, stored), said, reasoned), DisjointKinds.Of(usage));
    }

    [Fact]
    public void Anthropic_s_input_is_without_what_its_cache_served_and_stored()
    {
        // As Anthropic.SDK fills it: input_tokens, and both others under their own names; most of a long prompt comes from the cache.
        var sdk = new UsageDetails { InputTokenCount = 21, OutputTokenCount = 393, AdditionalCounts = new() { ["CacheCreationInputTokens"] = 400, ["CacheReadInputTokens"] = 188_086 } };
        Assert.Equal(new DisjointKinds(new(21, 188_086, 400), 393, 0), DisjointKinds.Of(sdk));
        // A small cached part fits into the input, and is still none of it.
        sdk.AdditionalCounts["CacheReadInputTokens"] = 10;
        sdk.AdditionalCounts["CacheCreationInputTokens"] = 0;
        Assert.Equal(new PromptTokens(21, 10, 0), DisjointKinds.Of(sdk).Prompt);
    }

    [Fact]
    public void A_total_that_counts_the_cache_beside_the_input_says_so()
    {
        var bedrock = new UsageDetails { InputTokenCount = 100, CachedInputTokenCount = 40, OutputTokenCount = 7, TotalTokenCount = 157, AdditionalCounts = new() { ["CacheWriteInputTokens"] = 10 } };
        Assert.Equal(new PromptTokens(100, 40, 10), DisjointKinds.Of(bedrock).Prompt);
        bedrock.TotalTokenCount = 107;
        Assert.Equal(new PromptTokens(50, 40, 10), DisjointKinds.Of(bedrock).Prompt);
    }

    [Fact]
    public void A_total_that_counts_reasoning_beside_the_output_says_so()
    {
        // Gemini: candidates and thoughts, and the total is prompt and both.
        var gemini = new UsageDetails { InputTokenCount = 10, OutputTokenCount = 500, ReasoningTokenCount = 400, TotalTokenCount = 910 };
        Assert.Equal(new DisjointKinds(new(10), 500, 400), DisjointKinds.Of(gemini));
        gemini.CachedInputTokenCount = 4; // of the prompt's 10
        Assert.Equal(new DisjointKinds(new(6, 4, 0), 500, 400), DisjointKinds.Of(gemini));
        gemini.TotalTokenCount = 510;
        Assert.Equal(new DisjointKinds(new(6, 4, 0), 100, 400), DisjointKinds.Of(gemini));
        // While it thinks there is no output yet.
        Assert.Equal(new DisjointKinds(new(10), 0, 300), Of(Thinking(null, 200), Thinking(null, 300)));
        Assert.Equal(new DisjointKinds(new(10), 0, 300), Of(Thinking(0, 200), Thinking(0, 300), Thinking(0, 0)));
        Assert.Equal(new DisjointKinds(new(10), 9, 300), Of(Thinking(null, 200), Thinking(5, 300), Thinking(9, 300)));
    }

    [Fact]
    public void Totals_that_are_said_again_replace_each_other()
    {
        // vLLM with continuous_usage_stats.
        Assert.Equal(new DisjointKinds(new(10), 4, 0), Of(Usage(10, 1), Usage(10, 2), Usage(10, 2), Usage(10, 4)));
        // Anthropic: the prompt at the start, with a first token; the output at the end, with a prompt of 0 where it is left out.
        Assert.Equal(new DisjointKinds(new(25, 3, 2), 15, 0), Of(Anthropic(25, 3, 2, 1), Anthropic(0, 0, 0, 15)));
        Assert.Equal(new DisjointKinds(new(25, 3, 2), 15, 0), Of(Anthropic(25, 3, 2, 1), Anthropic(25, 3, 2, 15)));
        Assert.Equal(new DisjointKinds(new(25), 15, 0), Of(Usage(25, 15), Usage(null, null)));
        // A prompt is counted whole: a creation that is 0 now is not the one of before (BerriAI/litellm#40736).
        Assert.Equal(new DisjointKinds(new(25, 5, 0), 15, 0), Of(Anthropic(25, 0, 5, 1), Anthropic(25, 5, 0, 15)));
    }

    [Fact]
    public void A_count_of_output_that_falls_is_an_increment() => Assert.Equal(new DisjointKinds(new(10), 9, 0), Of(Usage(10, 4), Usage(null, 3), Usage(null, 2)));

    [Fact]
    public void Several_responses_in_one_stream_are_added()
    {
        var counts = new ProviderCounts();
        Assert.Null(counts.Total());
        foreach (var response in new[] { "a", "b" })
            foreach (var output in new[] { 3, 5 }) counts.Take(new(ChatRole.Assistant, [new UsageContent(Usage(10, output))]) { ResponseId = response });
        Assert.Equal((20, 10), (counts.Total()!.InputTokenCount, counts.Total()!.OutputTokenCount));
    }

    [Fact]
    public void Only_a_count_of_each_response_after_all_of_it_is_its_provider_s_last_word()
    {
        // A letter is something of a response, a digit its count.
        Assert.True(IsCountedAtTheEnd("aaa1"));
        Assert.True(IsCountedAtTheEnd("aaa11")); // said again
        Assert.True(IsCountedAtTheEnd("1aaa1")); // Anthropic: at its beginning, too
        Assert.True(IsCountedAtTheEnd("aa1bb2"));
        Assert.False(IsCountedAtTheEnd("aaa"));
        Assert.False(IsCountedAtTheEnd("1aaa"));
        Assert.False(IsCountedAtTheEnd("aa1a"));
        Assert.False(IsCountedAtTheEnd("aa1a1")); // may be increments
        Assert.False(IsCountedAtTheEnd("aa1bb"));
        Assert.False(IsCountedAtTheEnd("aabb2"));
    }

    private static bool IsCountedAtTheEnd(string said)
    {
        var counts = new AnswerCounts();
        foreach (var what in said)
            counts.Take(new ChatResponseUpdate(ChatRole.Assistant, [char.IsDigit(what) ? new UsageContent(Usage(10, 5)) : new TextContent("w")]) { ResponseId = what is 'a' or '1' ? "a" : "b" });
        return counts.IsCountedAtTheEnd;
    }

    private static DisjointKinds Of(params UsageDetails[] updates)
    {
        var counts = new ProviderCounts();
        foreach (var usage in updates) counts.Take(new(ChatRole.Assistant, [new UsageContent(usage)]));
        return DisjointKinds.Of(counts.Total()!);
    }

    private static UsageDetails Thinking(int? output, int reasoning) =>
        new() { InputTokenCount = 10, OutputTokenCount = output, ReasoningTokenCount = reasoning, TotalTokenCount = 10 + (output ?? 0) + reasoning };

    private static UsageDetails Usage(int? input, int? output) => new() { InputTokenCount = input, OutputTokenCount = output };

    private static UsageDetails Anthropic(int input, int read, int created, int output) => new()
    {
        InputTokenCount = input, OutputTokenCount = output,
        AdditionalCounts = new() { ["CacheReadInputTokens"] = read, ["CacheCreationInputTokens"] = created },
    };
}
