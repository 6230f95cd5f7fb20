using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Billing.Host;

/// <summary>
/// Does due work in batches for as long as all goes well. Where one of a batch fails each is done for itself: the one is named with its reason, in the
/// log, the metrics and the detail of /health/ready, and tried again on every look; the others go on.
/// </summary>
public sealed class DueItems
{
    private const int NamedMax = 3;
    private readonly ConcurrentDictionary<(string Kind, string Id), string> _failing = new();
    private readonly Readiness _readiness;
    private readonly ILogger<DueItems> _log;

    public DueItems(Readiness readiness, IMeterFactory meters, ILogger<DueItems> log)
    {
        (_readiness, _log) = (readiness, log);
        meters.Create("Billing.Due").CreateObservableGauge(
            "billing.due.failing", () => _failing.Keys.GroupBy(f => f.Kind).Select(g => new Measurement<long>(g.Count(), new KeyValuePair<string, object?>("kind", g.Key))),
            "{item}", "Due work that fails and is tried again, by kind: subscription, late_usage, period, invoice, overdue, dunning.");
    }

    /// <returns>null when nothing fails</returns>
    public Refusal? Failing => _failing.IsEmpty
        ? null
        : Decision.Refuse("due_work_failed", $"the rest is done, but {_failing.Count} fail: {string.Join("; ", _failing.OrderBy(f => f.Key).Take(NamedMax).Select(f => $"{f.Key.Kind} {f.Key.Id}: {f.Value}"))}");

    /// <summary>One look through all that is due of a kind.</summary>
    /// <param name="page">what is due and has an id after the given one, by id</param>
    /// <param name="batch">in one transaction; gives how many it did</param>
    /// <returns>how many were done</returns>
    public async Task<int> Run<T>(string kind, Func<T, string> idOf, Func<string, Task<IReadOnlyList<T>>> page, Func<IReadOnlyList<T>, Task<int>> batch)
    {
        var done = 0;
        var failed = new HashSet<string>();
        IReadOnlyList<T> found;
        for (var after = ""; (found = await page(after)).Count > 0; after = idOf(found[^1]))
        {
            var (wary, plain) = (found.Where(i => _failing.ContainsKey((kind, idOf(i)))), found.Where(i => !_failing.ContainsKey((kind, idOf(i)))).ToArray());
            try
            {
                if (plain.Length > 0) done += await batch(plain);
            }
            catch (Exception e) when (IsOfAnItem(e))
            {
                wary = found;
            }
            foreach (var item in wary)
            {
                try
                {
                    done += await batch([item]);
                }
                catch (Exception e) when (IsOfAnItem(e))
                {
                    failed.Add(idOf(item));
                    Fails(kind, idOf(item), e);
                }
            }
        }
        FailsNoMore(kind, but: failed);
        return done;
    }

    /// <summary>Nothing of a kind is due any more: what failed here was done by another instance, or was called off.</summary>
    public void NoneDue(string kind) => FailsNoMore(kind, but: []);

    private void FailsNoMore(string kind, HashSet<string> but)
    {
        foreach (var (k, id) in _failing.Keys.Where(f => f.Kind == kind && !but.Contains(f.Id)).ToArray()) Mended(k, id);
    }

    /// <summary>Not the database's, which no item can be blamed for.</summary>
    internal static bool IsOfAnItem(Exception e) => e is not OperationCanceledException && !StoreFailure.Is(e);

    internal static string Reason(Exception e) => e is RefusedException or CorruptStreamException ? e.Message : $"{e.GetBaseException().GetType().Name}: {e.GetBaseException().Message}".ReplaceLineEndings(" ");

    private void Fails(string kind, string id, Exception e)
    {
        var reason = Reason(e);
        if (_failing.TryGetValue((kind, id), out var before) && before == reason) return;
        _failing[(kind, id)] = reason;
        _readiness.Note($"{kind} {id}", reason);
        _log.LogError(e, "{Kind} {Id} cannot be done and is tried again; the others go on: {Reason}", kind, id, reason);
    }

    private void Mended(string kind, string id)
    {
        if (!_failing.TryRemove((kind, id), out _)) return;
        _readiness.Forget($"{kind} {id}");
        _log.LogInformation("{Kind} {Id} does not fail any more", kind, id);
    }
}
