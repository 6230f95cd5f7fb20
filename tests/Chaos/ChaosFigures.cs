using System.Text.Json;

namespace Chaos;

/// <summary>What was played, and what the books had at the end. Invariants have no figure: if one fails, this is never printed.</summary>
public sealed record ChaosFigures
{
    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    public required int Rounds { get; init; }
    public required int Seed { get; init; }
    public required IReadOnlyDictionary<string, int> Kills { get; init; }
    public required int Generations { get; init; }
    public required int Events { get; init; }
    /// <summary>Published while their service was killed, and each in billing's book as it was answered.</summary>
    public required int Menus { get; init; }
    public required long Denied { get; init; }
    /// <summary>Generated and imported, as their clients counted them and had them acknowledged.</summary>
    public required long TokensKnownToClients { get; init; }
    public required long TokensRecorded { get; init; }
    /// <summary>Of those recorded: granted by an owner that was lost, and reported when its promise had ended. Never billed.</summary>
    public required long OverrunTokens { get; init; }
    /// <summary>Generations whose runtimes generated beyond their grants on purpose.</summary>
    public required int Stolen { get; init; }
    /// <summary>Generations that were begun by a runtime that was killed, and ended by the one after it.</summary>
    public required int Resumed { get; init; }
    /// <summary>Starts that were cancelled before their runtime heard whether they were granted.</summary>
    public required int Forsaken { get; init; }
    /// <summary>Generations that took as long as a lease or longer: only of these tokens may be overrun.</summary>
    public required int LongerThanLease { get; init; }
    public required int Rows { get; init; }
    public required int Reports { get; init; }
    /// <summary>The longest time in which nothing at all was acknowledged.</summary>
    public required double LongestSilenceSeconds { get; init; }
    public required double Seconds { get; init; }

    public string ToJson() => JsonSerializer.Serialize(this, CamelCase);

    public string ToText() => $"""
        {Rounds} rounds of seed {Seed} in {Seconds:0} s, killed: {string.Join(", ", Kills.Select(k => $"{k.Key} {k.Value} times"))}
        {Generations:N0} generations, {Events:N0} events and {Menus:N0} menus acknowledged, {Denied:N0} denied at a cap, {Forsaken:N0} starts cancelled, {LongerThanLease:N0} generations longer than a lease, {Stolen:N0} beyond their grants, {Resumed:N0} whose runtime was killed; at worst {LongestSilenceSeconds:0.0} s without an acknowledgement
        {TokensKnownToClients:N0} tokens by the clients' count, {TokensRecorded:N0} in the ledger ({OverrunTokens:N0} of them overrun), {Rows:N0} rows, {Reports:N0} reports
        U1 to U6 hold, and billing has every token once
        """;
}
