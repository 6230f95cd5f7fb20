using Contracts.Usage.V1;

namespace RuntimeClient;

/// <summary>What the meter says, and what becomes of the generation by it.</summary>
public sealed partial class Generation
{
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
            _finalReason = grant.Final && grant.Reason.Length > 0 ? grant.Reason : null;
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

    /// <summary>Whoever asked for it has stopped waiting, or its client is closed under it: then that is why there is no room any more.</summary>
    internal void Abandon(bool clientCloses = false)
    {
        lock (_gate)
        {
            _abandoned = true;
            if (clientCloses && _finish is null) _stopReason ??= "client_closed";
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
                (_last.Final, _finalReason) = (false, null);
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
            var passes = MeterClient.Passes(deny.Reason) || (_start.Resumed && deny.Reason is "cap_reached" or "subscription_stale" or "generations_too_many");
            // Nobody waits for one that was cancelled: it is not said again.
            if (passes && !IsForsaken) AgainAfterPause();
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
}
