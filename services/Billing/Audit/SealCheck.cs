using System.Globalization;

namespace Billing.Audit;

/// <summary>What recomputing one page found; nothing if it is intact.</summary>
public sealed record SealVerdict(long Page, long FromSequence, long ToSequence, long EventCount, ValueList<string> Findings)
{
    public bool IsIntact => Findings.Count == 0;
}

/// <summary>Recomputes seals over events as they are now, page after page.</summary>
public sealed class SealCheck
{
    private byte[] _chain = MerkleTree.EmptyRoot;
    private long _page;
    private long _through;

    /// <summary>The last sequence that the pages checked so far cover.</summary>
    public long ThroughSequence => _through;

    /// <param name="events">every event after the page before, up to the last of this page, ascending</param>
    public SealVerdict Next(SealPage page, IReadOnlyList<StoredEvent> events)
    {
        var (findings, from, to) = (new List<string>(), _through + 1, Math.Max(page.ToSequence, _through));
        if (page.Number != ++_page) findings.Add(Say($"page {_page} is missing: the next one stored is {page.Number}"));
        if (!page.PreviousChain.AsSpan().SequenceEqual(_chain)) findings.Add(Say($"page {page.Number} does not follow the page before it: a seal was altered, added or removed"));
        if (!MerkleTree.Root(page.Leaves).AsSpan().SequenceEqual(page.Root)) findings.Add(Say($"the leaves of page {page.Number} do not give its root: the seal itself was altered"));
        if (!MerkleTree.Chain(page.PreviousChain, page.Number, page.Root).AsSpan().SequenceEqual(page.Chain)) findings.Add(Say($"the chain value of page {page.Number} is not that of its root: the seal itself was altered"));
        findings.AddRange(Compare(page, events));
        (_page, _through, _chain) = (page.Number, to, page.Chain);
        return new(page.Number, from, to, page.Sequences.Count, findings.ToValueList());
    }

    private static IEnumerable<string> Compare(SealPage page, IReadOnlyList<StoredEvent> events)
    {
        if (page.Sequences.Count != page.Leaves.Count)
        {
            yield return Say($"page {page.Number} names {page.Sequences.Count} events and has {page.Leaves.Count} leaves: the seal itself was altered");
            yield break;
        }
        var stored = events.ToDictionary(e => e.Sequence);
        for (var i = 0; i < page.Sequences.Count; i++)
        {
            if (!stored.Remove(page.Sequences[i], out var e)) yield return Say($"event {page.Sequences[i]} was removed");
            else if (!e.Leaf().AsSpan().SequenceEqual(page.Leaves[i])) yield return $"{e.Name} was altered";
        }
        foreach (var hidden in events) if (hidden.Fault is { } fault) yield return fault;
        foreach (var added in stored.Values.OrderBy(e => e.Sequence)) yield return $"{added.Name} was added after its page was sealed";
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
