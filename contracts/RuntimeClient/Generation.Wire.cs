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
    private string? _stopReason;
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

    /// <summary>Gives way to the next attempt if nobody waits for this one: whatever it is granted yet is the other's.</summary>
    internal bool GivesWay()
    {
        lock (_gate)
        {
            if (!IsForsaken) return IsClosed;
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
            if (IsForsaken)
            {
                if (!AwaitsHold && now - _owedSince > _meter.Options.RetransmitAfter) _meter.Forget(this);
                return false;
            }
            if (!_speaks) return false;
            if (_finish is null && Counted > _reported && now - _reportedAt >= _meter.Options.ReportWithin) Report(now);
            // A word keeps a lease alive, and a Start asks for no more than there is.
            var leaseFades = RoomAt(now) > 0 && now > _last.From + ((_last.Until - _last.From) / 2);
            if (now >= _due || (Owes && now - _owedSince >= _patience) || (leaseFades && now - _owedSince >= _meter.Options.ReportWithin)) SayAgain(now);
            return Owes;
        }
    }

    internal void Heard(Grant grant)
    {
        lock (_gate)
        {
            if (IsClosed) return;
            var now = _meter.Now;
            // For how long, from now on, by a clock that never jumps: the meter's time of day need not be this machine's. Older meters say only that.
            var until = now + (grant.ValidForMs > 0 ? TimeSpan.FromMilliseconds(grant.ValidForMs) : grant.ExpiresAt.ToDateTimeOffset() - _meter.Options.Time.GetUtcNow());
            _grants.RemoveAll(g => g.Until <= now || (g.Allowed <= grant.TokensAllowed && g.Until <= until));
            _grants.Add((grant.TokensAllowed, until));
            (_last, _asked) = ((grant.TokensAllowed, grant.Final, now, until), false);
            if (!_granted) FirstGrant = grant.TokensAllowed;
            WasGranted();
            if (RoomAt(now) > 0 || IsOver) _waiting = false;
            Progress(now);
            if (_refused) SayAgain(now);
            Begin(now);
            Changed();
        }
    }

    private void Begin(TimeSpan now)
    {
        if (!_granted || IsResuming) return;
        _started.TrySetResult();
        if (_abandoned && _finish is null) End(FinishReason.Abort, now);
    }

    private void WasGranted()
    {
        if (_granted) return;
        _granted = true;
        // From now on whoever is asked must let it report, even if it has never heard of it.
        _start.Resumed = true;
    }

    /// <summary>Whoever asked for it has stopped waiting.</summary>
    internal void Abandon()
    {
        lock (_gate)
        {
            _abandoned = true;
            if (_started.Task.IsCompleted) Finish(FinishReason.Abort);
            // No stream has heard of it, so none will say anything about it.
            else if (!_speaks && !AwaitsHold) _meter.Forget(this);
        }
    }

    internal void Heard(Stop stop)
    {
        lock (_gate)
        {
            if (IsClosed) return;
            var now = _meter.Now;
            if (stop.Reason == "grant_expired")
            {
                // What was generated counts where room is left; and a new grant may be had for the asking.
                _grants.Clear();
                AgainAfter(now, TimeSpan.Zero);
            }
            else
            {
                (_stopped, _stopReason, _waiting) = (true, stop.Reason, false);
                // Only what was granted is stopped: by an attempt that did not hear of it, or by one before this. There is no room, but it has begun.
                WasGranted();
                Begin(now);
            }
            if (_refused) SayAgain(now);
            Changed();
        }
    }

    internal void Heard(Ack ack)
    {
        lock (_gate)
        {
            if (IsClosed) return;
            var before = _unacknowledged.Count;
            while (_unacknowledged.TryPeek(out var frame) && frame.Sequence <= ack.Sequence) _unacknowledged.Dequeue();
            if (_unacknowledged.Count < before) Progress(_meter.Now);
            if (ack.Reported is { } reported) TakeOver(ack.TakenSequence, reported);
            _durable = Math.Max(_durable, ack.Sequence);
            if (!ack.Finished)
            {
                Begin(_meter.Now);
                return;
            }
            _finish ??= new();
            _started.TrySetResult();
            _ended.TrySetResult();
            Changed();
        }
        _meter.Forget(this);
    }

    internal void Heard(Deny deny)
    {
        lock (_gate)
        {
            if (IsClosed) return;
            // Said twice, a Start may be denied and then, when room came back, granted: the answer to the last one counts. After it none before is granted,
            // or what is recorded of it would be known to nobody. Older meters do not say which one they answer.
            if (deny.Asker != 0 && (deny.Asker, deny.Attempt) != (_start.Asker, _start.Attempt) && !_granted)
            {
                // Its meter is only slow: the next answer has as long again to come, and it is not asked the faster for it.
                _owedSince = _meter.Now;
                return;
            }
            // One that had been granted before its meter was lost has tokens to report, and is denied only while there is no room for its prompt.
            var passes = deny.Reason == "store_unavailable" || (_start.Resumed && deny.Reason is "cap_reached" or "subscription_stale" or "generations_too_many");
            if (passes) AgainAfterPause();
            else if (deny.Reason != "generation_finished")
            {
                Fail(new GenerationDeniedException(deny.Reason, deny.Detail, deny.Window, deny.RetryAfter?.ToDateTimeOffset()));
                return;
            }
        }
        if (deny.Reason == "generation_finished") Heard(new Ack { Sequence = long.MaxValue, Finished = true });
    }

    internal void Heard(Rejection rejection)
    {
        lock (_gate)
        {
            switch (rejection.Reason)
            {
                case "grant_pending":
                case "generation_unknown":
                case "sequence_gap":
                case "store_unavailable":
                    _refused = rejection.Reason == "grant_pending";
                    AgainAfterPause();
                    break;
                default:
                    Fail(new MeterException(rejection.Reason, $"{Id} frame {rejection.Sequence}: {rejection.Detail}"));
                    break;
            }
        }
    }

    /// <summary>Where an earlier attempt has left it: this one goes on from there. Once it has spoken itself it knows better.</summary>
    private void TakeOver(long sequence, TokenCounts reported)
    {
        if (_sequence != _resumedFrom || sequence == _sequence) return;
        _resumedFrom = _sequence = sequence;
        (_adoptedOutput, _adoptedReasoning) = (_output, _reasoning) = (reported.Output, reported.Reasoning);
        _reported = Counted;
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
