using System.Globalization;

namespace Verifier;

/// <summary>Periods of subscriptions: from 0, each opened once, none left out.</summary>
internal sealed class OpenedPeriods
{
    private readonly GaplessCounts _counts = new();

    /// <returns>what is wrong with it; null where nothing is</returns>
    public string? Opened(string subscription, long number) =>
        _counts.Add(subscription, number + 1) ? null : string.Create(CultureInfo.InvariantCulture, $"period {number} of {subscription} is opened twice");

    /// <summary>What is missing, of every gap.</summary>
    public IEnumerable<string> Missing => _counts.Gaps.Select(g => string.Create(
        CultureInfo.InvariantCulture, $"period{(g.From == g.To ? $" {g.From - 1}" : $"s {g.From - 1} to {g.To - 1}")} of {g.Of} {(g.From == g.To ? "is" : "are")} missing, and a later one is here"));
}
