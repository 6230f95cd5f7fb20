using System.Diagnostics;
using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Bench.Metering;

/// <summary>What the workers of a load do.</summary>
/// <param name="Generations">that a worker runs at once: a message is one sweep over them, a chunk for each that may go on</param>
/// <param name="EventsPerSecond">of one worker, which then sends once a step; 0 is as fast as it can with at most <paramref name="UnacknowledgedMax"/> events on their way</param>
/// <param name="Dirty">
/// one frame in ten comes again after it was acknowledged, half of them of generations that are over; every twentieth generation began on an
/// earlier day; subscriptions are chosen by Zipf's law
/// </param>
public sealed record WorkerLoad(
    IReadOnlyList<string> Subscriptions, int Generations = WorkerLoad.GenerationsEach, double EventsPerSecond = 0, int UnacknowledgedMax = WorkerLoad.UnacknowledgedEach, bool Dirty = false)
{
    public const int TokensPerChunk = 16, ChunksPerGeneration = 64, GenerationsEach = 256, UnacknowledgedEach = 4_000;
    private const double ZipfExponent = 1.1;

    private readonly double[] _zipf = [.. Enumerable.Range(1, Subscriptions.Count).Select(n => Math.Pow(n, -ZipfExponent))];

    public string Choose(Random random)
    {
        if (!Dirty) return Subscriptions[random.Next(Subscriptions.Count)];
        var at = random.NextDouble() * _zipf.Sum();
        var n = 0;
        while (n < _zipf.Length - 1 && (at -= _zipf[n]) > 0) n++;
        return Subscriptions[n];
    }
}

/// <summary>
/// One runtime worker on the wire as it is generated from the proto: keeps to its grants, reports every 16 tokens, batches a sweep of its
/// generations into a message. Its frames are used again, for it shares the cores with what it measures.
/// </summary>
public sealed class RuntimeWorker(TokenMeter.TokenMeterClient meter, WorkerLoad load, int seed) : IDisposable
{
    private const int DaysLateMax = 3, OverKept = 1_024;
    /// <summary>A runtime tells what a step of decoding made, and a step takes as long or longer.</summary>
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(10);
    private readonly Random _random = new(seed);
    private readonly Dictionary<string, Slot> _byId = [];
    private readonly Latencies _latencies = new();
    private readonly SemaphoreSlim _heard = new(0, 1);
    private readonly RuntimeFrame[] _frames = [.. Enumerable.Range(0, 2 * load.Generations).Select(_ => new RuntimeFrame { Chunk = new Chunk { Tokens = new TokenCounts() } })];
    private readonly List<(string Id, Timestamp[] SaidAt)> _over = [];
    private long _sent, _acknowledged;
    private int _next;
    private volatile bool _measuring, _ending;

    /// <summary>Chunks that are known to be durable, each counted once.</summary>
    public long Acknowledged => Volatile.Read(ref _acknowledged);

    /// <summary>As many events are durable as it has generations.</summary>
    public bool IsRunning => Acknowledged >= load.Generations;

    /// <summary>From when an event was due to its acknowledgement, since <see cref="Measure"/>.</summary>
    public Latencies Latencies => _latencies;

    public void Measure() => _measuring = true;

    /// <summary>No new generations: those that run are finished where they are, and what they reported is acknowledged, when <see cref="RunAsync"/> returns.</summary>
    public void End() => _ending = true;

    public void Dispose() => _heard.Dispose();

    /// <exception cref="InvalidOperationException">The service refused something that it must not refuse.</exception>
    public async Task RunAsync(CancellationToken ct)
    {
        using var call = meter.Meter(cancellationToken: ct);
        var reading = ReadAsync(call.ResponseStream, ct);
        try
        {
            await WriteAsync(call.RequestStream, [.. Enumerable.Range(0, load.Generations).Select(_ => new Slot())], reading, ct);
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception) when (reading.IsFaulted)
        {
            // Why is told by the reader.
        }
        await reading;
        if (_acknowledged != _sent) throw new InvalidOperationException($"{_sent} events were sent and {_acknowledged} acknowledged");
    }

    private async Task WriteAsync(IClientStreamWriter<MeterRequest> stream, Slot[] slots, Task reading, CancellationToken ct)
    {
        var message = new MeterRequest();
        var begin = Stopwatch.GetTimestamp();
        while (!reading.IsCompleted)
        {
            var due = load.EventsPerSecond == 0 ? long.MaxValue : (long)(Stopwatch.GetElapsedTime(begin).TotalSeconds * load.EventsPerSecond) - _sent;
            var room = Math.Min(due, load.UnacknowledgedMax - (_sent - Acknowledged));
            message.Frames.Clear();
            Fill(message, slots, room, begin);
            if (message.Frames.Count > 0) await stream.WriteAsync(message, ct);
            else if (_ending && Array.TrueForAll(slots, s => s.Phase is Phase.Idle)) return;
            if (load.EventsPerSecond > 0) await Task.Delay(Step, ct);
            else if (message.Frames.Count == 0) await _heard.WaitAsync(TimeSpan.FromMilliseconds(1), ct);
        }
    }

    private void Fill(MeterRequest message, Slot[] slots, long room, long begin)
    {
        var now = TimeProvider.System.GetUtcNow();
        var stamp = now.ToTimestamp();
        // Admitting comes first, as in the schedulers of runtimes.
        if (!_ending)
            foreach (var slot in slots)
                if (slot.Phase == Phase.Idle) message.Frames.Add(Begin(slot, now));
        // A sweep begins where the last one had to stop, so that none waits for ever when little is due.
        for (var (n, first) = (0, _next); n < slots.Length; n++)
        {
            var slot = slots[(first + n) % slots.Length];
            if (slot.Phase != Phase.Running) continue;
            if (slot.Sent == WorkerLoad.ChunksPerGeneration || _ending)
            {
                slot.Phase = Phase.Finishing;
                message.Frames.Add(new RuntimeFrame { Finish = new Finish { GenerationId = slot.Id, Sequence = slot.Sent + 1, Reason = FinishReason.Stop, At = stamp } });
                continue;
            }
            if (room <= 0 || (slot.Sent + 1) * WorkerLoad.TokensPerChunk > slot.Allowed) continue;
            if (--room == 0) _next = (first + n + 1) % slots.Length;
            _sent++;
            slot.Sent++;
            slot.DueAt[slot.Sent - 1] = load.EventsPerSecond == 0 ? Stopwatch.GetTimestamp() : begin + (long)(_sent / load.EventsPerSecond * Stopwatch.Frequency);
            Add(message, slot.Id, slot.Sent, slot.SaidAt[slot.Sent - 1] = stamp);
            if (load.Dirty && _random.Next(10) == 0) AddAgain(message, slot);
        }
    }

    private RuntimeFrame Begin(Slot slot, DateTimeOffset now)
    {
        if (load.Dirty && slot.Acknowledged > 0)
        {
            // It is over, and its answers may have been lost.
            if (_over.Count < OverKept) _over.Add((slot.Id, slot.SaidAt));
            else _over[_random.Next(OverKept)] = (slot.Id, slot.SaidAt);
            slot.SaidAt = new Timestamp[WorkerLoad.ChunksPerGeneration];
        }
        slot.Begin(Ids.New(Ids.Generation, load.Dirty && _random.Next(20) == 0 ? now.AddDays(-_random.Next(1, DaysLateMax + 1)) : now));
        lock (_byId) _byId[slot.Id] = slot;
        return new RuntimeFrame
        {
            Start = new Start
            {
                GenerationId = slot.Id, SubscriptionId = load.Choose(_random), Conversation = slot.Id[4..20], Model = "small-model",
                Prompt = new TokenCounts { Input = 200 }, MaxOutputTokens = WorkerLoad.TokensPerChunk * WorkerLoad.ChunksPerGeneration,
            },
        };
    }

    private void Add(MeterRequest message, string generation, int sequence, Timestamp at)
    {
        var frame = _frames[message.Frames.Count];
        (frame.Chunk.GenerationId, frame.Chunk.Sequence, frame.Chunk.Tokens.Output, frame.Chunk.At) = (generation, sequence, sequence * WorkerLoad.TokensPerChunk, at);
        message.Frames.Add(frame);
    }

    /// <summary>A chunk that was acknowledged: of this generation, or of one that is over, which nobody has in memory.</summary>
    private void AddAgain(MeterRequest message, Slot slot)
    {
        if (_over.Count > 0 && _random.Next(2) == 0)
        {
            var (id, saidAt) = _over[_random.Next(_over.Count)];
            var sequence = _random.Next(1, WorkerLoad.ChunksPerGeneration + 1);
            Add(message, id, sequence, saidAt[sequence - 1]);
        }
        else if (slot.Acknowledged > 0)
        {
            var sequence = _random.Next(1, slot.Acknowledged + 1);
            Add(message, slot.Id, sequence, slot.SaidAt[sequence - 1]);
        }
    }

    private async Task ReadAsync(IAsyncStreamReader<MeterResponse> stream, CancellationToken ct)
    {
        while (await stream.MoveNext(ct))
        {
            foreach (var frame in stream.Current.Frames)
            {
                if (frame.Ack is { } ack) Hear(ack);
                else if (frame.Grant is { } grant) SlotOf(grant.GenerationId)?.Hear(grant);
                else throw new InvalidOperationException($"an honest runtime was answered {frame}");
            }
            if (_heard.CurrentCount == 0) _heard.Release();
        }
    }

    private void Hear(Ack ack)
    {
        if (SlotOf(ack.GenerationId) is not { } slot) return;
        var now = Stopwatch.GetTimestamp();
        for (var last = Math.Min(ack.Sequence, slot.Sent); slot.Acknowledged < last; slot.Acknowledged++)
        {
            if (_measuring) _latencies.Add(now - slot.DueAt[slot.Acknowledged]);
            _acknowledged++;
        }
        if (!ack.Finished) return;
        lock (_byId) _byId.Remove(slot.Id);
        slot.Phase = Phase.Idle;
    }

    private Slot? SlotOf(string generation)
    {
        lock (_byId) return _byId.GetValueOrDefault(generation);
    }

    private enum Phase { Idle, Starting, Running, Finishing }

    /// <summary>Where one of the worker's generations stands. The writer says, the reader hears.</summary>
    private sealed class Slot
    {
        private volatile Phase _phase;
        private long _allowed;

        public Phase Phase { get => _phase; set => _phase = value; }
        public string Id { get; private set; } = "";
        public long Allowed => Volatile.Read(ref _allowed);
        public int Sent { get; set; }
        public int Acknowledged { get; set; }
        public long[] DueAt { get; } = new long[WorkerLoad.ChunksPerGeneration];
        public Timestamp[] SaidAt { get; set; } = new Timestamp[WorkerLoad.ChunksPerGeneration];

        public void Begin(string id)
        {
            (Id, Sent, Acknowledged, _allowed) = (id, 0, 0, 0);
            Phase = Phase.Starting;
        }

        public void Hear(Grant grant)
        {
            Volatile.Write(ref _allowed, grant.TokensAllowed);
            if (Phase == Phase.Starting) Phase = Phase.Running;
        }
    }
}
