namespace RuntimeClient;

/// <summary>
/// One generation as its runtime meters it. <see cref="RoomAsync"/> waits until a token may be generated, <see cref="Count"/> counts and
/// cuts at the grant, <see cref="FinishAsync"/> returns when all of it is committed. What was counted survives broken streams and meters
/// that are lost: it is sent until it is acknowledged. Safe for use by several threads.
/// </summary>
public sealed partial class Generation : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly MeterClient _meter;
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _change;
    private MeterException? _failure;
    private long _output, _reasoning, _adoptedOutput, _adoptedReasoning, _knownOutput, _knownReasoning;

    /// <summary>Who asked last, for room or for tokens to be counted, did not get it, and will not.</summary>
    private bool _cut;

    internal Generation(MeterClient meter, GenerationRequest request)
    {
        (_meter, Request) = (meter, request);
        _start = StartOf(request);
        Progress(meter.Now);
    }

    public GenerationRequest Request { get; }
    public string Id => Request.Id;

    /// <summary>Tokens counted since the generation began, output and reasoning; after a resumption those of the earlier attempt among them.</summary>
    public long Generated
    {
        get { lock (_gate) return Counted; }
    }

    /// <summary>Tokens granted since the generation began, by the largest grant that holds now.</summary>
    public long Granted
    {
        get { lock (_gate) return Math.Max(AllowedAt(_meter.Now), Counted); }
    }

    /// <summary>What the first grant allowed.</summary>
    public long FirstGrant { get; private set; }

    /// <summary>Tokens that may be generated now.</summary>
    public long Room
    {
        get { lock (_gate) return RoomAt(_meter.Now); }
    }

    /// <summary>No more can be granted than is: a model that is told its limit before it begins is told <see cref="Room"/>.</summary>
    public bool IsFinal
    {
        get { lock (_gate) return _stopped || _last.Final; }
    }

    /// <summary>Why no more can be granted than is, such as cap_reached, subscription_paused or, of a client that is disposed, client_closed; null while more may be, or when all that was asked for is.</summary>
    public string? FinalReason
    {
        get { lock (_gate) return _stopReason ?? _finalReason; }
    }

    /// <summary>Why no further token may be generated, such as cap_reached; null as long as one may, or the meter has not said.</summary>
    public string? StopReason
    {
        get { lock (_gate) return _stopReason; }
    }

    /// <summary>True when all of it is committed; also from the start, if this id was metered to its end before.</summary>
    public bool IsFinished => _ended.Task.IsCompletedSuccessfully;

    /// <summary>Waits until at least one token may be generated.</summary>
    /// <returns>how many may be; 0 if none will ever be: finish</returns>
    /// <exception cref="MeterException">the meter refused what this runtime says, or lets its key in no more</exception>
    public async ValueTask<long> RoomAsync(CancellationToken ct = default)
    {
        while (true)
        {
            Task change;
            lock (_gate)
            {
                if (_failure is not null) throw _failure;
                var now = _meter.Now;
                var room = RoomAt(now);
                _cut = room == 0 && (IsOver || _finish is not null || IsFinished);
                if (room > 0 || _cut) return room;
                if (_meter.KeyRefused is { } refused) throw refused;
                WaitForRoom(now);
                change = (_change ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
            await change.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    /// <summary>Counts generated tokens, as far as they are granted. Reasoning counts first.</summary>
    /// <returns>how many of them may be emitted; fewer than were named means: stop here. None of a generation that is finished</returns>
    /// <exception cref="MeterException">the meter refused what this runtime says</exception>
    public long Count(long output, long reasoning = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(output);
        ArgumentOutOfRangeException.ThrowIfNegative(reasoning);
        lock (_gate)
        {
            var (said, reasoned) = Take(output, reasoning);
            _cut = said + reasoned < output + reasoning;
            return said + reasoned;
        }
    }

    /// <summary>Counts tokens that exist already, such as one whose grant has lapsed while it was generated: waits for the room that is missing.</summary>
    /// <returns>false if no room follows: they are counted as far as there was any, and no more of them may be emitted</returns>
    /// <exception cref="MeterException">as of <see cref="RoomAsync"/></exception>
    public async ValueTask<bool> CountAsync(long output, long reasoning = 0, CancellationToken ct = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(output);
        ArgumentOutOfRangeException.ThrowIfNegative(reasoning);
        while (true)
        {
            lock (_gate)
            {
                var (said, reasoned) = Take(output, reasoning);
                (output, reasoning) = (output - said, reasoning - reasoned);
                if (output + reasoning == 0) return true;
                Expect(output + reasoning);
            }
            if (await RoomAsync(ct).ConfigureAwait(false) == 0) return false;
        }
    }

    /// <summary>The same up to totals of this attempt that somebody else has counted. What was counted here already is part of them, whichever kind it was taken for.</summary>
    public async ValueTask<bool> CountToAsync(long output, long reasoning, CancellationToken ct = default)
    {
        while (true)
        {
            lock (_gate)
            {
                var (missing, reasoned) = Missing(_adoptedOutput + output, _adoptedReasoning + reasoning);
                var taken = Take(missing - reasoned, reasoned);
                missing -= taken.Output + taken.Reasoning;
                if (missing == 0) return true;
                Expect(missing);
            }
            if (await RoomAsync(ct).ConfigureAwait(false) == 0) return false;
        }
    }

    /// <summary>Asks for room ahead of need, where so many tokens are more than the next chunk: waits for nothing, and what is not used is given back at the end.</summary>
    public void Expect(long tokens)
    {
        lock (_gate)
        {
            var missing = tokens - RoomAt(_meter.Now);
            if (missing > 0) Ask(missing);
        }
    }

    /// <summary>Ends the generation and returns when all of it is committed: it will be billed exactly once.</summary>
    /// <param name="reason">by default Cap or Length if it was cut, else Stop</param>
    /// <param name="ct">ends the wait, not the sending. Without it, the wait is as long as no meter answers</param>
    /// <exception cref="MeterException">the meter refused what this runtime says, or did not acknowledge it before its client was disposed</exception>
    public Task FinishAsync(FinishReason? reason = null, CancellationToken ct = default)
    {
        Finish(reason);
        return _ended.Task.WaitAsync(ct);
    }

    /// <summary>
    /// The same with what somebody else counted, such as the model's provider, once it is known. Room is had for what was not counted here; what
    /// is refused it is overrun, never billed. What was counted here beyond it is taken back only if <paramref name="isWhole"/> says so. A prompt that
    /// was said otherwise at the start is corrected; both by rows of their own, after the end.
    /// </summary>
    /// <param name="output">of this attempt, like <paramref name="reasoning"/></param>
    /// <param name="prompt">null if it is known no better</param>
    /// <param name="isWhole">it is certain that no more was generated than that: pieces of an answer may be smaller than tokens</param>
    /// <param name="ct">ends the wait for room: what has none by then is overrun. It does not end the wait for the commit; who has no time for that awaits the task no longer</param>
    /// <exception cref="MeterException">the meter refused what this runtime says, or did not acknowledge it before its client was disposed (unacknowledged); or the generation had ended before with less (settled_late)</exception>
    public async Task SettleAsync(FinishReason reason, long output, long reasoning, PromptTokens? prompt = null, bool isWhole = false, CancellationToken ct = default)
    {
        // However this ends, its last word says all of it.
        lock (_gate) (_knownOutput, _knownReasoning) = (_adoptedOutput + output, _adoptedReasoning + reasoning);
        try
        {
            await CountToAsync(output, reasoning, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is MeterException || (e is OperationCanceledException && ct.IsCancellationRequested))
        {
            // Both are said again below.
        }
        Finish(reason);
        await _meter.SettledAsync(_ended.Task, this, prompt ?? Request.Prompt, isWhole ? Surplus() : null).ConfigureAwait(false);
    }

    /// <summary>What there is according to whoever settled it, if that is less than was counted here; else null.</summary>
    private (long Output, long Reasoning)? Surplus()
    {
        lock (_gate) return _knownOutput + _knownReasoning < Counted ? (_knownOutput, _knownReasoning) : null;
    }

    /// <summary>Its last word was said before all of it was known: by whoever finished it, or by disposing the client. Null if it said all.</summary>
    internal MeterException? SettledLate()
    {
        lock (_gate)
        {
            if (_finish?.Finish?.Totals is not { } said || said.Output + said.Reasoning >= _knownOutput + _knownReasoning) return null;
            return new("settled_late", $"{Id} had ended with {said.Output + said.Reasoning} tokens before {_knownOutput + _knownReasoning} were known: the rest is recorded nowhere");
        }
    }

    /// <summary>Ends the generation without waiting: the client sends until it is acknowledged.</summary>
    public void Finish(FinishReason? reason = null)
    {
        lock (_gate)
        {
            if (_finish is not null || _failure is not null || IsFinished) return;
            var limited = Request.OutputTokensMax > 0 && Counted >= Request.OutputTokensMax;
            End(reason ?? (!_cut ? FinishReason.Stop : limited ? FinishReason.Length : FinishReason.Cap), _meter.Now);
            Changed();
        }
    }

    /// <summary>Ends what is not finished, as aborted, and waits a while for its acknowledgement. It is sent on after that.</summary>
    public async ValueTask DisposeAsync()
    {
        Finish(FinishReason.Abort);
        try
        {
            await _ended.Task.WaitAsync(_meter.Options.DisposeWithin).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TimeoutException or MeterException)
        {
            // Whoever wants to know has asked FinishAsync.
        }
    }

    /// <summary>Where it stands, for a log.</summary>
    public override string ToString()
    {
        lock (_gate)
            return $"{Id}: {Counted} tokens of {AllowedAt(_meter.Now)} granted{(_stopped ? $", stopped ({_stopReason})" : _last.Final ? ", no more can follow" : _waiting ? ", waiting for more" : "")}; " +
                $"{_unacknowledged.Count} of {_sequence} frames not acknowledged{(_finish is null ? "" : ", finished")}";
    }

    private long Counted => _output + _reasoning;

    /// <summary>Counts as many as there is room for, reasoning first.</summary>
    private (long Output, long Reasoning) Take(long output, long reasoning)
    {
        if (_failure is not null) throw _failure;
        var now = _meter.Now;
        var room = RoomAt(now);
        var reasoned = Math.Min(reasoning, room);
        var said = Math.Min(output, room - reasoned);
        (_output, _reasoning) = (_output + said, _reasoning + reasoned);
        if (Counted - _reported >= _meter.Options.TokensPerReport || said + reasoned == room) Report(now);
        return (said, reasoned);
    }

    /// <summary>What totals have beyond all that is counted, and how much of it is reasoning.</summary>
    private (long Tokens, long Reasoning) Missing(long output, long reasoning)
    {
        var missing = Math.Max(output + reasoning - Counted, 0);
        return (missing, Math.Min(missing, Math.Max(reasoning - _reasoning, 0)));
    }

    private void Changed()
    {
        _change?.TrySetResult();
        _change = null;
    }
}
