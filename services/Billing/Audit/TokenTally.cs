using System.Runtime.InteropServices;

namespace Billing.Audit;

/// <summary>Whose tokens of which kind.</summary>
public readonly record struct TallyKey(string SubscriptionId, string PeriodId, string PlanId, string Kind);

/// <summary>Tokens counted by key; a sum of zero is as good as none.</summary>
public sealed class TokenTally
{
    private readonly Dictionary<TallyKey, long> _tokens = [];

    public long Total { get; private set; }

    public void Add(TallyKey key, long tokens)
    {
        CollectionsMarshal.GetValueRefOrAddDefault(_tokens, key, out _) += tokens;
        Total += tokens;
    }

    public long this[TallyKey key] => _tokens.GetValueOrDefault(key);

    /// <summary>Every key whose tokens are not the same in both, in a fixed order.</summary>
    public IEnumerable<TallyKey> DifferencesTo(TokenTally other) => _tokens.Keys.Union(other._tokens.Keys).Where(k => this[k] != other[k])
        .OrderBy(k => k.PeriodId, StringComparer.Ordinal).ThenBy(k => k.PlanId, StringComparer.Ordinal).ThenBy(k => k.Kind, StringComparer.Ordinal);
}
