using System.Text.Json.Serialization;

namespace Kernel;

/// <summary>
/// What a token is counted as. The kinds are disjoint: input excludes what came from or went into a cache, output excludes
/// reasoning. Overrun is what a runtime generated beyond its grant: recorded and reported, never billed, never counted as used.
/// </summary>
[JsonConverter(typeof(JsonStringEnumConverter<TokenKind>))]
public enum TokenKind
{
    [JsonStringEnumMemberName("input")] Input,
    [JsonStringEnumMemberName("cached_input")] CachedInput,
    [JsonStringEnumMemberName("cache_creation")] CacheCreation,
    [JsonStringEnumMemberName("output")] Output,
    [JsonStringEnumMemberName("reasoning")] Reasoning,
    [JsonStringEnumMemberName("overrun")] Overrun,
}

/// <summary>Over what span a cap counts. Windows of five hours and of a week open with their first grant.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CapWindow>))]
public enum CapWindow
{
    [JsonStringEnumMemberName("conversation")] Conversation,
    [JsonStringEnumMemberName("five_hours")] FiveHours,
    [JsonStringEnumMemberName("week")] Week,
    [JsonStringEnumMemberName("billing_period")] BillingPeriod,
}

/// <summary>What happens at the cap: the generation stops, or it goes on and the excess is billed as overage.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CapEnforcement>))]
public enum CapEnforcement
{
    [JsonStringEnumMemberName("hard")] Hard,
    [JsonStringEnumMemberName("billed")] Billed,
}

/// <summary>The wire names of the kinds, windows and enforcements: the same words in JSON, messages, tables and refusals.</summary>
public static class TokenNames
{
    public static string Name(this TokenKind kind) => kind switch
    {
        TokenKind.Input => "input",
        TokenKind.CachedInput => "cached_input",
        TokenKind.CacheCreation => "cache_creation",
        TokenKind.Output => "output",
        TokenKind.Reasoning => "reasoning",
        TokenKind.Overrun => "overrun",
    };

    public static string Name(this CapWindow window) => window switch
    {
        CapWindow.Conversation => "conversation",
        CapWindow.FiveHours => "five_hours",
        CapWindow.Week => "week",
        CapWindow.BillingPeriod => "billing_period",
    };

    public static string Name(this CapEnforcement enforcement) => enforcement switch
    {
        CapEnforcement.Hard => "hard",
        CapEnforcement.Billed => "billed",
    };

    public static TokenKind ParseKind(string name) => Parse<TokenKind>(name, Name);
    public static CapWindow ParseWindow(string name) => Parse<CapWindow>(name, Name);
    public static CapEnforcement ParseEnforcement(string name) => Parse<CapEnforcement>(name, Name);

    private static T Parse<T>(string name, Func<T, string> nameOf) where T : struct, Enum
    {
        foreach (var value in Enum.GetValues<T>())
            if (nameOf(value) == name) return value;
        throw new FormatException($"'{name}' is not one of {string.Join(", ", Enum.GetValues<T>().Select(nameOf))}");
    }
}

/// <summary>One cap of a plan: at most so many tokens of these kinds in each window.</summary>
/// <param name="Counts">The kinds that count; generated tokens (output and reasoning) unless the plan says otherwise.</param>
public sealed record Cap(CapWindow Window, long Tokens, IReadOnlyList<TokenKind> Counts, CapEnforcement Enforcement)
{
    public static IReadOnlyList<TokenKind> GeneratedTokens { get; } = [TokenKind.Output, TokenKind.Reasoning];

    public static Cap Hard(CapWindow window, long tokens) => new(window, tokens, GeneratedTokens, CapEnforcement.Hard);

    public bool Equals(Cap? other) =>
        other is not null && Window == other.Window && Tokens == other.Tokens && Enforcement == other.Enforcement && Counts.SequenceEqual(other.Counts);

    public override int GetHashCode() => HashCode.Combine(Window, Tokens, Enforcement, Counts.Count);
}
