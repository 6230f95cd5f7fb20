using System.Diagnostics;

namespace Usage.Host.Store;

/// <summary>A question to the tables, and the answer that somebody waits for.</summary>
public abstract record Lookup<TAnswer>
{
    public TaskCompletionSource<TAnswer> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether it had a place of those that are waited for.</summary>
    internal bool Waited { get; set; }
}

/// <summary>
/// Questions to the tables, those that have gathered in one round trip. A database that hangs costs no memory beyond the bound of those that wait: nobody
/// waits for ever, and what nobody waits for any more is not asked.
/// </summary>
/// <param name="groupMax">questions of one round trip</param>
/// <param name="waitingMax">questions that wait, or are being answered: so many of those who wait for a place, and as many of those who do not, who would never find one that others wait for</param>
/// <param name="within">the longest that anybody waits, for a place and the answer together</param>
/// <param name="perform">answers each, failures included</param>
public sealed class Lookups<TQuestion, TAnswer>(int groupMax, int waitingMax, TimeSpan within, Func<IReadOnlyList<TQuestion>, Task> perform) : IDisposable
    where TQuestion : Lookup<TAnswer>
{
    private static readonly TimeSpan AgainAfter = TimeSpan.FromSeconds(1);
    private readonly SemaphoreSlim _places = new(waitingMax), _waitedFor = new(waitingMax);
    private Grouped<TQuestion>? _group;

    private Grouped<TQuestion> Group => _group ??= new(groupMax, PerformAsync);

    /// <summary>Asked and not answered yet, by the database: also what its caller has given up.</summary>
    public int Waiting => Group.Waiting;

    /// <param name="waits">for a place, if as many wait as may: whoever is bounded otherwise, such as a stream, which then reads no more of what its runtime sends</param>
    /// <exception cref="RefusedException">store_unavailable: as many wait as may</exception>
    /// <exception cref="StoreNotReadyException">No answer in time.</exception>
    public async Task<TAnswer> AskAsync(TQuestion question, bool waits, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        if (!await (waits ? _waitedFor : _places).WaitAsync(waits ? within : TimeSpan.Zero, ct)) throw waits ? new StoreNotReadyException() : TooMany();
        question.Waited = waits;
        Group.Add(question);
        var left = within - Stopwatch.GetElapsedTime(since);
        try { return await question.Answer.Task.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, ct); }
        catch (TimeoutException) { throw new StoreNotReadyException(); }
        finally { question.Answer.TrySetCanceled(CancellationToken.None); } // whoever leaves waits no longer
    }

    /// <summary>Returns when there is a place for one more of those who wait.</summary>
    public async ValueTask RoomAsync(CancellationToken ct)
    {
        if (_waitedFor.CurrentCount > 0) return;
        await _waitedFor.WaitAsync(ct);
        _waitedFor.Release();
    }

    public Task RunAsync() => Group.RunAsync();
    public void Complete() => Group.Complete();

    public void Dispose()
    {
        _places.Dispose();
        _waitedFor.Dispose();
    }

    private async Task PerformAsync(IReadOnlyList<TQuestion> questions)
    {
        try
        {
            TQuestion[] awaited = [.. questions.Where(q => !q.Answer.Task.IsCompleted)];
            if (awaited.Length > 0) await perform(awaited);
        }
        finally
        {
            var waited = questions.Count(q => q.Waited);
            if (waited > 0) _waitedFor.Release(waited);
            if (waited < questions.Count) _places.Release(questions.Count - waited);
        }
    }

    private RefusedException TooMany() => new(
        new Refusal(Reasons.StoreUnavailable, $"{waitingMax} look-ups wait for the database already, as many as may (Usage__LookupsWaitingMax); try again in a few seconds, with the same ids"), AgainAfter);
}
