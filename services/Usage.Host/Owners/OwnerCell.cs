using Contracts.Usage.V1;
using Usage.Caps;
using Usage.Host.Ledger;

namespace Usage.Host.Owners;

/// <summary>Whom a generation's answers go to: a stream, or a unary call that waits.</summary>
public abstract class Outlet
{
    private static long _last;
    private readonly Lock _gate = new();
    private readonly long _opened;
    private int _lookUps;
    private TaskCompletionSource? _fewer, _none;
    private List<Outlet>? _taken;
    private bool _went;

    protected Outlet() => _opened = Next();

    /// <param name="opened">when the stream was opened, at the instance that it was opened to</param>
    protected Outlet(long opened) => _opened = opened;

    /// <summary>Ticks of the real clock, later for every outlet of this process: so that a runtime's newer stream is known, also across instances.</summary>
    public long Opened => _opened;

    /// <summary>Nobody hears what is sent here any more.</summary>
    public abstract bool IsGone { get; }

    /// <summary>One caller waits for one answer here, and will not speak again to get it.</summary>
    public virtual bool AwaitsAnswer => false;

    public abstract void Send(MeterFrame frame);

    /// <summary>An owner of something said here is gone from this process: what is not acknowledged has to be said again, to its successor.</summary>
    public abstract void OwnerMoved();

    /// <summary>
    /// Whether answers should go here rather than there. A runtime that reconnects is answered on its new stream, even while frames that it
    /// had sent on the broken one are still being taken.
    /// </summary>
    public bool Supersedes(Outlet other) => _opened >= other._opened || other.IsGone;

    /// <summary>
    /// A Start read here took a generation from a younger stream that was not known to be broken. If this stream turns out to have been the
    /// broken one, answers were lost with it: the younger one must resume.
    /// </summary>
    public void TookFrom(Outlet younger)
    {
        lock (_gate)
        {
            if (!_went)
            {
                (_taken ??= []).Add(younger);
                return;
            }
        }
        younger.OwnerMoved();
    }

    /// <summary>Nobody hears what was sent here last.</summary>
    protected void Went()
    {
        List<Outlet>? taken;
        lock (_gate)
        {
            _went = true;
            (taken, _taken) = (_taken, null);
        }
        foreach (var younger in taken ?? []) younger.OwnerMoved();
    }

    /// <summary>An answer is being looked up, for what was said here or to be said here.</summary>
    public void Track(Task answer)
    {
        lock (_gate) _lookUps++;
        _ = answer.ContinueWith(_ => LookedUp(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Returns when no answer is being looked up any more.</summary>
    public Task TrackedAsync()
    {
        lock (_gate) return _lookUps == 0 ? Task.CompletedTask : (_none ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
    }

    /// <summary>Returns when fewer answers are being looked up than may be: until then whoever speaks here must not go on.</summary>
    public Task FewLookUpsAsync()
    {
        lock (_gate) return _lookUps < RepeatReader.PerStreamMax ? Task.CompletedTask : (_fewer ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
    }

    private void LookedUp()
    {
        TaskCompletionSource? fewer = null, none = null;
        lock (_gate)
        {
            if (--_lookUps < RepeatReader.PerStreamMax) (fewer, _fewer) = (_fewer, null);
            if (_lookUps == 0) (none, _none) = (_none, null);
        }
        fewer?.TrySetResult();
        none?.TrySetResult();
    }

    private static long Next()
    {
        while (true)
        {
            var last = Volatile.Read(ref _last);
            var next = Math.Max(last + 1, TimeProvider.System.GetUtcNow().UtcTicks);
            if (Interlocked.CompareExchange(ref _last, next, last) == last) return next;
        }
    }
}

/// <summary>What the host keeps of a generation beside its owner's state.</summary>
public sealed class Route(OwnerCell cell, Outlet outlet)
{
    private List<Outlet>? _waiting;

    public OwnerCell Cell { get; } = cell;
    /// <summary>The row of its prompt is counted as waiting, though it waits for the first grant. Inside the cell's gate.</summary>
    internal bool PromptExpected { get; set; }
    /// <summary>The newest one that spoke for this generation. Read and written inside the cell's gate.</summary>
    public Outlet Outlet { get; private set; } = outlet;

    /// <summary>Everybody who is owed an answer. Inside the cell's gate.</summary>
    public IEnumerable<Outlet> Listeners => _waiting is null ? [Outlet] : [Outlet, .. _waiting];

    /// <summary>A frame was read from there. It takes the answers over from an older outlet, or from one that is gone.</summary>
    public void Heard(Outlet speaker)
    {
        if (speaker.Supersedes(Outlet)) Take(speaker);
        else Wait(speaker);
    }

    /// <summary>A Start says where its runtime listens now, unless the stream it was read from has broken since.</summary>
    public void Started(Outlet speaker)
    {
        if (speaker.IsGone && !Outlet.IsGone) return;
        if (!speaker.Supersedes(Outlet)) speaker.TookFrom(Outlet);
        Take(speaker);
    }

    /// <summary>To whoever spoke last, and to the calls before that still wait for just this. Inside the cell's gate.</summary>
    public void Send(MeterFrame frame)
    {
        Outlet.Send(frame);
        if (_waiting is null) return;
        foreach (var call in _waiting) call.Send(frame);
        _waiting.RemoveAll(call => !call.AwaitsAnswer);
        if (_waiting.Count == 0) _waiting = null;
    }

    private void Take(Outlet speaker)
    {
        if (ReferenceEquals(speaker, Outlet)) return;
        _waiting?.Remove(speaker);
        Wait(Outlet);
        Outlet = speaker;
    }

    private void Wait(Outlet call)
    {
        if (call.AwaitsAnswer && _waiting?.Contains(call) != true) (_waiting ??= []).Add(call);
    }
}

/// <summary>One subscription's owner in this process. Every turn is taken inside the gate; nothing in it waits.</summary>
public sealed class OwnerCell(SubscriptionOwner owner, Tenure tenure) : OwnerInMemory(owner, tenure.Epoch)
{
    public Lock Gate { get; } = new();
    /// <summary>Under which it decides. When that is over no turn is taken any more.</summary>
    public Tenure Tenure => tenure;
    internal bool Evicted { get; set; }
    /// <summary>Billing was not asked about its terms for the turn being taken: it was being asked about as many others as it may.</summary>
    internal bool NotAskedFor { get; set; }
}
