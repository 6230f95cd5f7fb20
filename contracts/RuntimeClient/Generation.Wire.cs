using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;

namespace RuntimeClient;

/// <summary>The generation's side of the protocol: what it has said, what it is owed, and when it says it again.</summary>
public sealed partial class Generation
{
    /// <summary>The most that a meter takes for a wish.</summary>
    private const long WantedMax = 1_000_000_000;

    private readonly Queue<(long Sequence, RuntimeFrame Frame)> _unacknowledged = new();
    private readonly List<(long Allowed, TimeSpan Until)> _grants = [];
    private (long Allowed, bool Final, TimeSpan From, TimeSpan Until) _last;
    private string? _stopReason, _finalReason;
    private RuntimeFrame? _finish;
    private readonly Start _start;
    private long _sequence, _reported, _resumedFrom, _durable;
    private bool _granted, _stopped, _waiting, _asked, _refused, _abandoned, _speaks, _awaitsHold;
    private TimeSpan _reportedAt, _owedSince, _due = TimeSpan.MaxValue, _pause, _patience;

    internal Task Started => _started.Task;

    /// <summary>Acknowledged to its end, denied or failed: nothing more is said of it, nor heard.</summary>
    internal bool IsClosed => _ended.Task.IsCompleted;

    /// <summary>An earlier attempt has said what is not committed yet: were it lost, this one would have to go on from before it.</summary>
    private bool IsResuming => _resumedFrom > _durable;

    /// <summary>No further token will be granted, and what was is used.</summary>
    private bool IsOver => _stopped || (_last.Final && Counted >= _last.Allowed && RoomAt(_meter.Now) == 0);

    /// <summary>Nobody waits for its first grant any more: if one comes it is given back, and none is asked for.</summary>
    private bool IsForsaken => _abandoned && !_granted;

    /// <summary>Its hold was asked for, and nobody but the client waits for the answer any more.</summary>
    internal bool AwaitsHold
    {
        get => Volatile.Read(ref _awaitsHold);
        set => Volatile.Write(ref _awaitsHold, value);
    }

    private bool Owes => !_granted || IsResuming || _unacknowledged.Count > 0 || _waiting;

    private static Start StartOf(GenerationRequest request) => new()
    {
        GenerationId = request.Id,
        SubscriptionId = request.Subscription,
        Conversation = request.Conversation,
        Model = request.Model,
        Prompt = new TokenCounts { Input = request.Prompt.Input, CachedInput = request.Prompt.CachedInput, CacheCreation = request.Prompt.CacheCreation },
        MaxOutputTokens = request.OutputTokensMax,
        Mode = CountMode.Cumulative,
        Resumed = request.WasGranted,
        Asker = 1 + (ulong)Random.Shared.NextInt64(),
    };

    /// <summary>From here on it has a voice on the stream: not before its hold is taken, for its Start alone asks for less.</summary>
    internal void Speak()
    {
        lock (_gate)
        {
            if (IsClosed) return;
            _speaks = true;
            _meter.Send(NextStart());
        }
    }

    /// <summary>On a new stream: the same Start, then whatever is not acknowledged. Both are recognised as what they are.</summary>
    internal void SayAgain()
    {
        lock (_gate)
        {
            // What it said before is answered on no other stream.
            if (IsForsaken && !AwaitsHold) _meter.Forget(this);
            else SayAgain(_meter.Now);
        }
    }

    /// <summary>
    /// Gives way to the next attempt if nobody waits for this one: whatever it is granted yet is the other's. That goes on counting where this one was, as the
    /// same asker: if it is denied, what this one has said and is still under way is denied with it.
    /// </summary>
    internal bool GivesWayTo(Generation next)
    {
        lock (_gate)
        {
            if (!IsForsaken) return IsClosed;
            (next._start.Asker, next._start.Attempt) = (_start.Asker, _start.Attempt);
            Fail(new MeterException("superseded", $"{Id} was started again"));
            return true;
        }
    }

    /// <summary>Whoever waits looks again.</summary>
    internal void Wake()
    {
        lock (_gate) Changed();
    }

    /// <summary>Called from time to time. True if an answer is owed.</summary>
    internal bool Tick(TimeSpan now)
    {
        lock (_gate)
        {
            if (IsClosed) return false;
            // If it is granted after all it is finished; on this stream it is answered for certain, and on another it is not said again.
            if (IsForsaken) return !AwaitsHold;
            if (!_speaks) return false;
            if (_finish is null && Counted > _reported && now - _reportedAt >= _meter.Options.ReportWithin) Report(now);
            // A word keeps a lease alive, and a Start asks for no more than there is.
            var leaseFades = RoomAt(now) > 0 && now > _last.From + ((_last.Until - _last.From) / 2);
            if (now >= _due || (Owes && now - _owedSince >= _patience) || (leaseFades && now - _owedSince >= _meter.Options.ReportWithin)) SayAgain(now);
            return Owes;
        }
    }

    /// <summary>For good: whoever waits is told, and nothing more is sent.</summary>
    internal void Fail(MeterException failure)
    {
        lock (_gate)
        {
            _failure ??= failure;
            _started.TrySetException(_failure);
            _ended.TrySetException(_failure);
            // Nobody has to wait for the end of a generation that never began.
            _ = (_started.Task.Exception, _ended.Task.Exception);
            Changed();
        }
        _meter.Forget(this);
    }

    private long AllowedAt(TimeSpan now)
    {
        var allowed = 0L;
        foreach (var grant in _grants)
            if (grant.Until > now && grant.Allowed > allowed) allowed = grant.Allowed;
        return allowed;
    }

    private long RoomAt(TimeSpan now) => _stopped || _finish is not null ? 0 : Math.Max(AllowedAt(now) - Counted, 0);

    private void WaitForRoom(TimeSpan now)
    {
        if (Counted > _reported) Report(now);
        if (_waiting) return;
        if (!Owes) Progress(now);
        _waiting = true;
        // A grant that ran out is not renewed by itself.
        if (_last.Until <= now) AgainAfter(now, TimeSpan.Zero);
    }

    /// <summary>Once until the next grant. It may be lost or be answered by nothing: whoever needs room at once waits for it, and that is said until it is answered.</summary>
    private void Ask(long tokens)
    {
        if (_asked || !_speaks || !_granted || _stopped || _last.Final || _finish is not null) return;
        _asked = true;
        _meter.Send(new() { Renew = new() { GenerationId = Id, TokensWanted = Math.Min(tokens, WantedMax) } });
    }

    private void Report(TimeSpan now)
    {
        if (Counted == _reported) return;
        Say(new() { Chunk = new() { GenerationId = Id, Sequence = ++_sequence, Tokens = Totals, At = Timestamp.FromDateTimeOffset(_meter.Options.Time.GetUtcNow()) } }, now);
    }

    private void End(FinishReason reason, TimeSpan now)
    {
        var (missing, reasoned) = Missing(_knownOutput, _knownReasoning);
        (_output, _reasoning) = (_output + missing - reasoned, _reasoning + reasoned);
        Say(_finish = new()
        {
            Finish = new()
            {
                GenerationId = Id,
                Sequence = ++_sequence,
                Reason = (Contracts.Usage.V1.FinishReason)reason,
                Totals = Totals,
                At = Timestamp.FromDateTimeOffset(_meter.Options.Time.GetUtcNow()),
            },
        }, now);
    }

    private TokenCounts Totals => new() { Output = _output, Reasoning = _reasoning };

    private void Say(RuntimeFrame frame, TimeSpan now)
    {
        if (!Owes) Progress(now);
        _unacknowledged.Enqueue((_sequence, frame));
        (_reported, _reportedAt) = (Counted, now);
        _meter.Send(frame);
    }

    private void SayAgain(TimeSpan now)
    {
        if (IsClosed || IsForsaken || !_speaks) return;
        (_refused, _asked, _due, _owedSince) = (false, false, TimeSpan.MaxValue, now);
        _patience = Shorter(_patience * 2, _meter.Options.RetransmitAfter * 4);
        _meter.Send(NextStart());
        foreach (var (_, frame) in _unacknowledged) _meter.Send(frame);
    }

    /// <summary>The Start as it is said next: counted, so that the denial of an earlier one, on a stream that broke perhaps, is told from its own.</summary>
    internal RuntimeFrame NextStart()
    {
        lock (_gate)
        {
            _start.Attempt++;
            return new() { Start = _start.Clone() };
        }
    }

    /// <summary>Something that was owed has come.</summary>
    private void Progress(TimeSpan now) => (_owedSince, _patience, _pause) = (now, _meter.Options.RetransmitAfter, TimeSpan.Zero);

    private void AgainAfterPause()
    {
        // Several frames may be refused for one reason: that is one failure, not several.
        if (_due != TimeSpan.MaxValue) return;
        AgainAfter(_meter.Now, _pause);
        _pause = Shorter(_pause == TimeSpan.Zero ? _meter.Options.PauseMin : _pause * 2, _meter.Options.PauseMax);
    }

    private void AgainAfter(TimeSpan now, TimeSpan pause) => _due = now + pause;

    private static TimeSpan Shorter(TimeSpan one, TimeSpan other) => one < other ? one : other;
}
