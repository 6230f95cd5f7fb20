using Usage.Metering;

namespace Usage.Caps;

/// <summary>What a Chunk or a Finish says. <paramref name="Finish"/> is None for a chunk.</summary>
/// <param name="Said">as the runtime counts: a total or an increment, by the mode of the generation; totals always in a Finish</param>
/// <param name="HasCounts">false for a Finish without totals</param>
public readonly record struct Frame(long Sequence, Tally Said, bool HasCounts, DateTimeOffset? At, FinishReason Finish)
{
    public long Content => ContentDigest.OfFrame(Sequence, Said, At, Finish, HasCounts);
}

public sealed partial class SubscriptionOwner
{
    /// <summary>Counts generated tokens: what was granted is used, what was not is overrun. Recorded either way.</summary>
    /// <param name="tokensWanted">beyond what is granted, as in a Renew; 0 renews only when half a chunk is left</param>
    public void Count(Generation generation, in Frame frame, long tokensWanted, Moment at, List<Outcome> outcomes)
    {
        if (!generation.Started)
        {
            outcomes.Add(Rejected(generation, frame.Sequence, Reasons.GrantPending, "no token is granted yet; the grant is on its way"));
            return;
        }
        if (frame.Sequence != generation.NextSequence || generation.Finished)
        {
            outcomes.Add(NotNext(generation, frame));
            return;
        }
        if (Increment(generation, frame, out var increment) is { } refusal)
        {
            outcomes.Add(Rejected(generation, frame.Sequence, refusal.Code, refusal.Detail));
            return;
        }

        var (held, inherited) = (_held, InheritedAt(at.Confirmed));
        Lapse(generation, at);
        var lateOrResumed = generation.Lapsed > 0 || generation.Inherited;
        var covered = Cover(generation, increment.Generated, at);
        var counted = increment.FirstGenerated(covered);
        var overrun = increment.Generated - covered;
        Use(generation.Conversation, counted, at.Business);
        generation.Reported += increment;
        generation.Counted += counted;
        generation.OverrunTokens += overrun;
        Record(generation, frame, counted, overrun, counted.Generated, at, outcomes);

        if (overrun > 0 && !generation.Stopped)
            Stop(generation, new(new Refusal(Reasons.BeyondGrant, $"{overrun} tokens were generated beyond the grant; they are recorded as overrun and not billed")), outcomes);
        if (generation.Finished) Settle(generation);
        else RenewAhead(generation, tokensWanted, lateOrResumed, at, outcomes);
        // A lost owner's slab is reserved in every conversation, and what is taken from it is used in one.
        if (_waiting.Count > 0 && (InheritedAt(at.Confirmed) < inherited || AnswersWaiting(generation.Conversation, counted, held - _held, at))) ServeWaiting(at, outcomes);
    }

    /// <summary>
    /// Whether a chunk leaves more room than there was, or uses up the last that could be waited for. Most do neither: many who wait are not looked at
    /// for each of them. What time alone frees is passed on by <see cref="Expire"/>.
    /// </summary>
    /// <param name="freed">held before and not any more, the tokens that are used now among it</param>
    private bool AnswersWaiting(Conversation conversation, in Tally counted, long freed, Moment at)
    {
        foreach (var rule in _rules)
        {
            if (!rule.Hard || !rule.CountsGenerated) continue;
            // What is held is held in every cap; what turns out to be of a kind that this one does not count is room again.
            var used = counted.Of(rule.Kinds);
            if (freed > used || (used > 0 && UsedIn(rule.Window, conversation, at.Business).Of(rule.Kinds) >= rule.Tokens)) return true;
        }
        return false;
    }

    private void RenewAhead(Generation generation, long tokensWanted, bool lateOrResumed, Moment at, List<Outcome> outcomes)
    {
        if (generation.Withheld || generation.Stopped) return;
        if (generation.IsEnded)
        {
            if (generation.Held == 0 && Exhausted(generation, at.Business) is { } rule) Stop(generation, AtCap(rule), outcomes);
            else KeepAlive(generation, at, outcomes);
            return;
        }
        if (tokensWanted > 0 || generation.Held < (limits.ChunkTokens + 1) / 2)
        {
            if (Extend(generation, tokensWanted, at, outcomes) || generation.Stopped) return;
            if (lateOrResumed && generation.Held == 0 && !generation.Waiting) return;
        }
        KeepAlive(generation, at, outcomes);
    }

    /// <summary>How many of these tokens were granted: from what is held, then from what a lost owner or an ended lease had granted.</summary>
    private long Cover(Generation generation, long generated, Moment at)
    {
        var held = Math.Min(generated, generation.Held);
        generation.Held -= held;
        generation.Conversation.Held -= held;
        _held -= held;
        var rest = generated - held;
        if (rest == 0) return generated;

        if (generation.Inherited && InheritedAt(at.Confirmed) > 0)
        {
            // The lost owner granted them, and its slab reserved them; whatever it was, what is used and held never passes the cap.
            var inherited = Math.Min(Math.Min(rest, InheritedAt(at.Confirmed)), Beside(generation, generated - rest, at, InheritedAt(at.Confirmed)));
            TakeInherited(inherited, at.Confirmed);
            rest -= inherited;
        }
        var late = Math.Min(rest, generation.Lapsed + (generation.Inherited ? _claimable : 0));
        if (late > 0)
        {
            // Their reservation is gone: they count as used only where room is left, beside what this chunk takes already.
            late = Math.Min(late, Beside(generation, generated - rest, at, 0));
            var lapsed = Math.Min(late, generation.Lapsed);
            generation.Lapsed -= lapsed;
            _claimable -= late - lapsed;
            rest -= late;
        }
        return generated - rest;
    }

    /// <summary>Room beside what this chunk takes already; <paramref name="freed"/> is reserved, but for these very tokens.</summary>
    private long Beside(Generation generation, long taken, Moment at, long freed)
    {
        var left = Left(generation.Conversation, at, out _);
        return left == long.MaxValue ? left : Math.Max(left + freed - taken, 0);
    }

    private static Outcome NotNext(Generation generation, in Frame frame)
    {
        if (frame.Sequence < 1)
            return Rejected(generation, frame.Sequence, Reasons.FrameInvalid, "sequences start at 1");
        if (frame.Sequence >= generation.NextSequence)
            return generation.Finished
                ? Rejected(generation, frame.Sequence, Reasons.GenerationFinished, "the generation is finished; a new one takes a new id")
                : Rejected(generation, frame.Sequence, Reasons.SequenceGap, $"expected sequence {generation.NextSequence}; send the missing ones first");

        // A repeat. What is not committed yet is compared here; its acknowledgement is on the way.
        if (generation.UndurableContent(frame.Sequence) is { } content)
            return content == frame.Content
                ? new Outcome(OutcomeKind.Acknowledged) { Generation = generation, Number = generation.DurableSequence }
                : Rejected(generation, frame.Sequence, Reasons.SequenceReused, "this sequence was sent with other content; the first one counts");
        return new Outcome(OutcomeKind.Repeated) { Generation = generation, Number = frame.Sequence, Content = frame.Content };
    }

    /// <summary>What is new in a frame, or why it cannot be counted.</summary>
    private static Refusal? Increment(Generation generation, in Frame frame, out Tally increment)
    {
        increment = Tally.Zero;
        if (!frame.HasCounts) return null;
        if (Fault(frame.Said) is { } fault) return fault;
        var cumulative = generation.Header.Mode == CountMode.Cumulative || frame.Finish != FinishReason.None;
        var said = frame.Said with { Input = 0, CachedInput = 0, CacheCreation = 0 };
        var prompt = frame.Said - said;
        if (prompt != Tally.Zero && !(cumulative && prompt == generation.Header.Prompt))
            return new(Reasons.CountsOfWrongKind, "input tokens are said once, in Start; leave them out here, or repeat them unchanged in a total");
        increment = cumulative ? said - generation.Reported : said;
        if (increment.AnyNegative)
            return new(Reasons.CountsDecreasing, $"totals cannot fall below output {generation.Reported.Output} and reasoning {generation.Reported.Reasoning}; send the total so far");
        return (generation.Reported + increment).AnyAbove(MeterLimits.CountMax)
            ? new(Reasons.CountsAbsurd, $"more than {MeterLimits.CountMax} tokens of one kind in one generation")
            : null;
    }

    /// <summary>Counts that no runtime can mean: below zero, or absurdly many.</summary>
    public static Refusal? Fault(in Tally said)
    {
        if (said.AnyNegative) return new(Reasons.CountsNegative, "token counts cannot be negative");
        return said.AnyAbove(MeterLimits.CountMax) ? new(Reasons.CountsAbsurd, $"more than {MeterLimits.CountMax} tokens of one kind in one generation") : null;
    }

    /// <summary>Its row is committed, and with it what a successor must know. Rows of one subscription commit in the order they were decided.</summary>
    public void Durable(UsageRow row)
    {
        row.Generation.Durable(row.Sequence);
        _uncommitted -= row.ExposedTokens;
    }

    /// <summary>Its key is taken by other content in the tables: what it used is room again. One whose very Start is taken is stopped.</summary>
    public void Refused(UsageRow row, Moment at, List<Outcome> outcomes)
    {
        Durable(row);
        var (generation, back) = (row.Generation, Tally.Zero - row.Tokens);
        _periods[row.Period.Id] = _periods.GetValueOrDefault(row.Period.Id) + back;
        generation.Conversation.Use(back);
        foreach (var window in new[] { row.FiveHours, row.Week })
            if (window is not null && Rolling(window.Window) is { Current: { } open } rolling && open.OpenedAt == window.OpenedAt) rolling.Use(back);
        NoteAgain(row.Crossed, at.Business);
        if (generation is { IsTaken: true, Stopped: false })
        {
            Release(generation);
            Stop(generation, new(new Refusal(Reasons.GenerationReused, "this generation id was started before, with other content; a new generation takes a new id")), outcomes);
        }
        ServeWaiting(at, outcomes);
    }

    /// <summary>The row of a prompt, decided when its Start is: it counts in the windows that were open then, however late its grant goes out.</summary>
    private UsageRow PromptRow(Generation generation, in Tally counted, long overrun, Moment at)
    {
        var received = UsageRow.WholeMicroseconds(at.Business);
        return Row(generation, 0, counted, overrun, received, received, generation.Header.Content, FinishReason.None, generation.ExposedPrompt).Row!;
    }

    private void RecordPrompt(Generation generation, List<Outcome> outcomes)
    {
        var row = generation.PromptRow!;
        _promptsWaiting.Remove(generation);
        NoteThresholds(generation.Conversation, row.ReceivedAt);
        row.Crossed = TakeCrossed();
        generation.SentPrompt(generation.Header.Content);
        outcomes.Add(new Outcome(OutcomeKind.Recorded) { Generation = generation, Row = row });
    }

    /// <param name="exposed">what a crash before the commit would make a successor grant again</param>
    private void Record(Generation generation, in Frame frame, in Tally counted, long overrun, long exposed, Moment at, List<Outcome> outcomes)
    {
        var received = UsageRow.WholeMicroseconds(at.Business);
        var content = frame.Content;
        generation.Sent(content);
        generation.Finish = frame.Finish;
        _uncommitted += exposed;
        NoteThresholds(generation.Conversation, at.Business);
        var recorded = Row(generation, frame.Sequence, counted, overrun, frame.At is { } said ? UsageRow.WholeMicroseconds(said) : received, received, content, frame.Finish, exposed);
        recorded.Row!.Crossed = TakeCrossed();
        outcomes.Add(recorded);
    }

    private Outcome Row(
        Generation generation, long sequence, in Tally counted, long overrun, DateTimeOffset said, DateTimeOffset received, long content, FinishReason finish, long exposed) =>
        new(OutcomeKind.Recorded)
        {
            Generation = generation,
            Row = new UsageRow
            {
                Generation = generation,
                Sequence = sequence,
                Tokens = counted,
                OverrunTokens = overrun,
                Reported = generation.Reported,
                Period = Terms!.PeriodAt(received),
                Plan = Terms.Plan,
                At = said,
                ReceivedAt = received,
                Content = content,
                Finish = finish,
                FiveHours = _fiveHours.IsOpenAt(received) ? _fiveHours.Current : null,
                Week = _week.IsOpenAt(received) ? _week.Current : null,
                ExposedTokens = exposed,
            },
        };

    private static Outcome Rejected(Generation generation, long sequence, string reason, string detail) =>
        new(OutcomeKind.Rejected) { Generation = generation, Number = sequence, Why = new Refusal(reason, detail) };
}
