using Contracts.Usage.V1;
using Google.Protobuf.Collections;
using Grpc.Core;
using Usage.Host.Ledger;
using Usage.Host.Owners;

namespace Usage.Host;

/// <summary>
/// One runtime's stream: frames are taken in order, answers go back as they come. Ends when the client is done, silent for too long,
/// or asked to go because the service drains; each time only after what it sent is committed and acknowledged.
/// </summary>
public sealed class MeterStream(Intake intake, LedgerWriters ledger, UsageOptions options, CancellationToken caller)
{
    private readonly StreamOutlet _outlet = new(options.AnswersWaitingMax, caller);
    private readonly HashSet<string> _running = new(StringComparer.Ordinal);

    public async Task RunAsync(IAsyncStreamReader<MeterRequest> requests, IServerStreamWriter<MeterResponse> responses, CancellationToken draining)
    {
        using var broken = CancellationTokenSource.CreateLinkedTokenSource(caller);
        var sending = SendAsync(responses, broken);
        Refusal? goodbye;
        try
        {
            goodbye = await ReadAsync(requests, broken.Token, draining);
            if (!_outlet.IsOverfull)
            {
                // What was queued for the ledger before this has been answered after it.
                var flushed = Task.WhenAll(Enumerable.Range(0, ledger.Shards).Select(shard => ledger[shard].FlushAsync(cut: false)));
                await flushed.WaitAsync(broken.Token);
                await _outlet.TrackedAsync().WaitAsync(broken.Token);
            }
        }
        finally
        {
            _outlet.Complete();
        }
        await sending;
        if (goodbye is { } why) throw why.AsException();
    }

    private async Task SendAsync(IServerStreamWriter<MeterResponse> responses, CancellationTokenSource broken)
    {
        try
        {
            await _outlet.SendAllAsync(responses, broken.Token);
        }
        catch
        {
            // Without this the reader would go on for a client that no longer hears.
            await broken.CancelAsync();
            throw;
        }
    }

    private async Task<Refusal?> ReadAsync(IAsyncStreamReader<MeterRequest> requests, CancellationToken broken, CancellationToken draining)
    {
        using var idle = CancellationTokenSource.CreateLinkedTokenSource(broken, draining);
        try
        {
            while (true)
            {
                idle.CancelAfter(TimeSpan.FromSeconds(options.StreamIdleSecondsMax));
                if (!await requests.MoveNext(idle.Token)) return null;
                if (requests.Current.Frames.Count > options.FramesPerMessageMax)
                    return new(Reasons.FramesTooMany, $"a message holds at most {options.FramesPerMessageMax} frames; send several");
                await TakeAsync(requests.Current, idle.Token);
                if (_outlet.IsOverfull) return new(Reasons.ReaderTooSlow, "answers are not being read; open a new stream, read it, and resume with Start");
            }
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled } && !broken.IsCancellationRequested)
        {
            return draining.IsCancellationRequested
                ? new(Reasons.Draining, "this instance is shutting down; open a new stream and resume with Start what is not finished")
                : new(Reasons.StreamIdle, $"no frame came for {options.StreamIdleSecondsMax} s; open a new stream when there is something to say");
        }
    }

    private async Task TakeAsync(MeterRequest message, CancellationToken ct)
    {
        var frames = message.Frames;
        for (var i = 0; i < frames.Count; i++)
        {
            // Starts need the tables; those that stand together are read together.
            if (frames[i].FrameCase == RuntimeFrame.FrameOneofCase.Start)
            {
                var end = i + 1;
                while (end < frames.Count && frames[end].FrameCase == RuntimeFrame.FrameOneofCase.Start) end++;
                await StartAsync(frames, i, end);
                i = end - 1;
            }
            else await TakeAsync(frames[i], ct);
        }
    }

    private async Task StartAsync(RepeatedField<RuntimeFrame> frames, int from, int to)
    {
        var starting = new List<Task>(to - from);
        for (var i = from; i < to; i++)
        {
            var start = frames[i].Start;
            if (_running.Count >= options.GenerationsPerStreamMax && !_running.Contains(start.GenerationId))
            {
                _outlet.Send(Answers.Denied(start.GenerationId, new Refusal(Reasons.GenerationsTooMany, $"a stream carries at most {options.GenerationsPerStreamMax} generations; open another")));
                continue;
            }
            starting.Add(StartAsync(start));
        }
        await Task.WhenAll(starting);
    }

    private async Task StartAsync(Start start)
    {
        if (await intake.StartAsync(start, 0, _outlet) is null) return;
        lock (_running) _running.Add(start.GenerationId);
    }

    private async ValueTask TakeAsync(RuntimeFrame frame, CancellationToken ct)
    {
        switch (frame.FrameCase)
        {
            case RuntimeFrame.FrameOneofCase.Chunk:
                if (Frames.Read(frame.Chunk, out var chunk) is { } invalidChunk)
                    _outlet.Send(Answers.Rejected(frame.Chunk.GenerationId, frame.Chunk.Sequence, invalidChunk));
                else await intake.CountAsync(frame.Chunk.GenerationId, chunk, 0, _outlet, ct);
                break;
            case RuntimeFrame.FrameOneofCase.Finish:
                if (Frames.Read(frame.Finish, out var finish) is { } invalidFinish)
                    _outlet.Send(Answers.Rejected(frame.Finish.GenerationId, frame.Finish.Sequence, invalidFinish));
                else
                {
                    await intake.CountAsync(frame.Finish.GenerationId, finish, 0, _outlet, ct);
                    _running.Remove(frame.Finish.GenerationId);
                }
                break;
            case RuntimeFrame.FrameOneofCase.Renew:
                intake.Renew(frame.Renew, _outlet);
                break;
            case RuntimeFrame.FrameOneofCase.None:
            case RuntimeFrame.FrameOneofCase.Start:
            default:
                _outlet.Send(Answers.Rejected("", 0, new Refusal(Reasons.FrameInvalid, "a frame must be a start, chunk, renew or finish; this one is empty or of a newer protocol")));
                break;
        }
    }
}
