using System.Threading.Channels;
using Contracts.Usage.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Cli.Demo;

/// <summary>A conversation that a customer will have: turn by turn, until she is answered or her plan's cap stops the model.</summary>
public sealed record PlannedConversation(string SubscriptionId, string Name, IReadOnlyList<ObservedConversation> Turns);

/// <summary>What a runtime counted itself, to be compared with what was recorded.</summary>
public sealed class RuntimeTally
{
    public int Conversations { get; set; }
    public int Generations { get; set; }
    public int Denied { get; set; }
    public int Disconnects { get; set; }
    public int Resent { get; set; }
    public long GeneratedTokens { get; set; }

    /// <summary>The generations that were acknowledged to their end, and how many tokens each generated.</summary>
    public Dictionary<string, long> Acknowledged { get; } = [];
}

/// <summary>
/// A simulated runtime worker that is an ordinary client of usage.v1.TokenMeter: one stream, many generations on it, frames in
/// batches. It generates no token without a grant, reports at least every 32, and resumes from the last acknowledgement when its
/// connection breaks, however often and for however long. On purpose it also disconnects, and sends frames again that it has sent before.
/// </summary>
public sealed class ModelRuntime(TokenMeter.TokenMeterClient meter, int seed, Func<DateTimeOffset> businessNow)
{
    private const int ConcurrencyMax = 96, TokensPerChunkMax = 32, FramesPerMessageMax = 200;
    private const int GenerationsPerDisconnect = 500;
    private const double ResendPerChunk = 0.02;
    private const string Model = "aligned-1";
    private static readonly TimeSpan SilenceMax = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan PauseMin = TimeSpan.FromMilliseconds(100), PauseMax = TimeSpan.FromSeconds(5), StartAgainAfter = TimeSpan.FromMilliseconds(500);

    private readonly Random _random = new(seed);
    private readonly Dictionary<string, Generation> _active = [];

    public RuntimeTally Tally { get; } = new();

    /// <summary>Serves all conversations; returns when every frame of every generation is acknowledged.</summary>
    /// <param name="served">Told of each conversation as it ends.</param>
    public async Task ServeAsync(IEnumerable<PlannedConversation> conversations, Action served, CancellationToken ct)
    {
        using var waiting = conversations.GetEnumerator();
        var more = true;
        var pause = PauseMin;
        while (more || _active.Count > 0)
        {
            using var connection = CancellationTokenSource.CreateLinkedTokenSource(ct);
            using var call = meter.Meter(cancellationToken: connection.Token);
            var outgoing = Channel.CreateUnbounded<RuntimeFrame>();
            var writing = WriteAsync(call.RequestStream, outgoing.Reader);
            try
            {
                // After a reconnect: the same Start again, then whatever was not acknowledged.
                foreach (var generation in _active.Values) generation.Resume(outgoing.Writer);
                Fill();
                while (_active.Count > 0 && await NextAsync(call.ResponseStream, connection.Token))
                {
                    pause = PauseMin;
                    foreach (var frame in call.ResponseStream.Current.Frames) Handle(frame, outgoing.Writer);
                    Fill();
                    if (Tally.Disconnects < Tally.Generations / GenerationsPerDisconnect)
                    {
                        Tally.Disconnects++;
                        await connection.CancelAsync();
                    }
                }
                outgoing.Writer.Complete();
                await writing;
                await call.RequestStream.CompleteAsync();
                if (_active.Count > 0) continue;
            }
            catch (Exception e) when (!ct.IsCancellationRequested && IsDisconnect(e))
            {
                outgoing.Writer.TryComplete();
                await writing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                // Who hung up on purpose need not wait; a service that is away is given time.
                if (connection.IsCancellationRequested) continue;
                await Task.Delay(pause, ct);
                pause = pause * 2 < PauseMax ? pause * 2 : PauseMax;
            }

            void Fill()
            {
                while (_active.Count < ConcurrencyMax && (more = more && waiting.MoveNext()))
                {
                    Tally.Conversations++;
                    Open(waiting.Current, turn: 0, outgoing.Writer);
                }
            }
        }

        void Handle(MeterFrame frame, ChannelWriter<RuntimeFrame> outgoing)
        {
            switch (frame.FrameCase)
            {
                case MeterFrame.FrameOneofCase.Grant when _active.TryGetValue(frame.Grant.GenerationId, out var generation):
                    generation.Allow(frame.Grant);
                    generation.SendAgainIfRefused(outgoing);
                    Generate(generation, outgoing);
                    break;
                case MeterFrame.FrameOneofCase.Stop when _active.TryGetValue(frame.Stop.GenerationId, out var generation):
                    generation.Stop();
                    generation.SendAgainIfRefused(outgoing);
                    Generate(generation, outgoing);
                    break;
                case MeterFrame.FrameOneofCase.Ack when _active.TryGetValue(frame.Ack.GenerationId, out var generation):
                    generation.Acknowledge(frame.Ack.Sequence);
                    if (frame.Ack.Finished) Ended(generation, outgoing);
                    break;
                case MeterFrame.FrameOneofCase.Deny when _active.TryGetValue(frame.Deny.GenerationId, out var generation) && frame.Deny.Reason == "store_unavailable":
                    _ = Task.Delay(StartAgainAfter, ct).ContinueWith(_ => outgoing.TryWrite(new RuntimeFrame { Start = generation.Start }), TaskScheduler.Default);
                    break;
                case MeterFrame.FrameOneofCase.Deny when _active.TryGetValue(frame.Deny.GenerationId, out var generation):
                    // The first turn used up the conversation's cap: the service says so, and the conversation is over.
                    if (frame.Deny.Reason != "cap_reached") throw new InvalidOperationException($"{generation.Id} was denied: {frame.Deny.Reason}: {frame.Deny.Detail}");
                    Tally.Denied++;
                    _active.Remove(generation.Id);
                    served();
                    break;
                case MeterFrame.FrameOneofCase.Rejection when frame.Rejection.Reason is "grant_pending" or "generation_unknown" or "sequence_gap" && _active.TryGetValue(frame.Rejection.GenerationId, out var generation):
                    // After the service was lost: it grants anew before it takes what was generated under the lost grant. One that it has forgotten
                    // (a lease ended long ago, while this side or the network was slow) it looks up when it hears its Start.
                    generation.Refused();
                    if (frame.Rejection.Reason == "generation_unknown" && generation.StartsAgain()) outgoing.TryWrite(new RuntimeFrame { Start = generation.Start });
                    break;
                case MeterFrame.FrameOneofCase.Rejection:
                    throw new InvalidOperationException($"{frame.Rejection.GenerationId} #{frame.Rejection.Sequence} was refused: {frame.Rejection.Reason}: {frame.Rejection.Detail}");
            }
        }

        void Ended(Generation generation, ChannelWriter<RuntimeFrame> outgoing)
        {
            _active.Remove(generation.Id);
            Tally.GeneratedTokens += generation.Generated;
            Tally.Acknowledged.Add(generation.Id, generation.Generated);
            if (!generation.WasCut && generation.TurnIndex + 1 < generation.Conversation.Turns.Count) Open(generation.Conversation, generation.TurnIndex + 1, outgoing);
            else served();
        }
    }

    // A meter that owes an answer and says nothing is a fault worth a loud end, not a reason to wait for ever.
    private async Task<bool> NextAsync(IAsyncStreamReader<MeterResponse> responses, CancellationToken ct)
    {
        try
        {
            return await responses.MoveNext(ct).WaitAsync(SilenceMax, ct);
        }
        catch (TimeoutException)
        {
            throw new InvalidOperationException($"the meter has said nothing for {SilenceMax.TotalSeconds:0} s while {_active.Count} generations wait, among them {_active.Values.First()}");
        }
    }

    private void Open(PlannedConversation conversation, int turn, ChannelWriter<RuntimeFrame> outgoing)
    {
        // The id is minted once, before the first attempt: a retry meets its original.
        var generation = new Generation(Ids.New(Ids.Generation, businessNow()), conversation, turn, Model);
        _active.Add(generation.Id, generation);
        Tally.Generations++;
        outgoing.TryWrite(new RuntimeFrame { Start = generation.Start });
    }

    private void Generate(Generation generation, ChannelWriter<RuntimeFrame> outgoing)
    {
        foreach (var frame in generation.Generate(TokensPerChunkMax, businessNow().ToTimestamp()))
        {
            outgoing.TryWrite(frame);
            if (_random.NextDouble() >= ResendPerChunk) continue;
            outgoing.TryWrite(frame);
            Tally.Resent++;
        }
    }

    private static async Task WriteAsync(IClientStreamWriter<MeterRequest> stream, ChannelReader<RuntimeFrame> frames)
    {
        while (await frames.WaitToReadAsync())
        {
            var message = new MeterRequest();
            while (message.Frames.Count < FramesPerMessageMax && frames.TryRead(out var frame)) message.Frames.Add(frame);
            await stream.WriteAsync(message);
        }
    }

    private static bool IsDisconnect(Exception e) =>
        e is OperationCanceledException or RpcException { StatusCode: StatusCode.Cancelled or StatusCode.Unavailable } or InvalidOperationException { Message: "Can't write the message because the call is complete." };

    /// <summary>One generation as its runtime sees it: what is granted, what is generated, what is not acknowledged yet.</summary>
    private sealed class Generation(string id, PlannedConversation conversation, int turn, string model)
    {
        private readonly List<(long Sequence, RuntimeFrame Frame)> _unacknowledged = [];
        private long _allowed, _sequence;
        private bool _final, _finished, _refused, _startingAgain;

        public string Id => id;
        public PlannedConversation Conversation => conversation;
        public int TurnIndex => turn;
        public ObservedConversation Turn => conversation.Turns[turn];
        public long Generated { get; private set; }
        public bool WasCut => Generated < Turn.GeneratedTokens;

        public Start Start { get; private set; } = new()
        {
            GenerationId = id,
            SubscriptionId = conversation.SubscriptionId,
            Conversation = conversation.Name,
            Model = model,
            Prompt = new() { Input = conversation.Turns[turn].ContextTokens },
            Mode = CountMode.Cumulative,
        };

        public void Allow(Grant grant)
        {
            (_allowed, _final) = (Math.Max(_allowed, grant.TokensAllowed), _final || grant.Final);
            _startingAgain = false;
            if (Start.Resumed) return;
            // From now on whoever is asked must let it report, even if it has never heard of it. A frame may be on its way: it stays as it is.
            Start = Start.Clone();
            Start.Resumed = true;
        }

        public void Stop() => (_final, _startingAgain) = (true, false);

        public void Acknowledge(long sequence) => _unacknowledged.RemoveAll(f => f.Sequence <= sequence);

        public void Refused() => _refused = true;

        /// <summary>True once, until it is answered.</summary>
        public bool StartsAgain() => !_startingAgain && (_startingAgain = true);

        public void Resume(ChannelWriter<RuntimeFrame> outgoing)
        {
            outgoing.TryWrite(new RuntimeFrame { Start = Start });
            SendAgain(outgoing);
        }

        public void SendAgainIfRefused(ChannelWriter<RuntimeFrame> outgoing)
        {
            if (_refused) SendAgain(outgoing);
        }

        /// <summary>Everything that may be generated now, as chunks; and the end, once the user is answered or no more will be granted.</summary>
        public IEnumerable<RuntimeFrame> Generate(int tokensPerChunkMax, Timestamp at)
        {
            while (!_finished && Generated < Math.Min(Turn.GeneratedTokens, _allowed))
            {
                Generated = Math.Min(Generated + tokensPerChunkMax, Math.Min(Turn.GeneratedTokens, _allowed));
                yield return Keep(new() { Chunk = new() { GenerationId = id, Sequence = ++_sequence, Tokens = new() { Output = Generated }, At = at } });
            }
            if (_finished || (WasCut && !_final)) yield break;
            _finished = true;
            var reason = WasCut ? FinishReason.Cap : FinishReason.Stop;
            yield return Keep(new() { Finish = new() { GenerationId = id, Sequence = ++_sequence, Reason = reason, Totals = new() { Output = Generated }, At = at } });
        }

        public override string ToString() =>
            $"{id} ({Generated} of {Turn.GeneratedTokens} tokens generated, {_allowed} allowed{(_final ? " at most" : "")}, {_unacknowledged.Count} of {_sequence} frames unacknowledged)";

        private void SendAgain(ChannelWriter<RuntimeFrame> outgoing)
        {
            _refused = false;
            foreach (var (_, frame) in _unacknowledged) outgoing.TryWrite(frame);
        }

        private RuntimeFrame Keep(RuntimeFrame frame)
        {
            _unacknowledged.Add((_sequence, frame));
            return frame;
        }
    }
}
