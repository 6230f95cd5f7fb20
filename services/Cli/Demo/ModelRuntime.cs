using Grpc.Core;
using Grpc.Core.Interceptors;
using RuntimeClient;

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
/// A simulated runtime worker, metered by the client that any runtime would use: it generates no token without a grant and reports at least
/// every 32. On purpose its line is a rough one.
/// </summary>
public sealed class ModelRuntime : IAsyncDisposable
{
    private const int TokensPerChunkMax = 32, GenerationsPerDisconnect = 500;
    private const string Model = "aligned-1";
    private static readonly TimeSpan SilenceMax = TimeSpan.FromSeconds(60);

    private readonly int _atOnce;
    private readonly RoughLine _line;
    private readonly MeterClient _meter;
    private readonly Func<DateTimeOffset> _businessNow;
    private readonly RuntimeTally _tally = new();
    private string _lastBreak = "its stream has not broken";

    /// <param name="atOnce">conversations it serves at the same time</param>
    public ModelRuntime(CallInvoker usage, int seed, int atOnce, Func<DateTimeOffset> businessNow)
    {
        (_line, _atOnce, _businessNow) = (new RoughLine(seed), atOnce, businessNow);
        // Who hangs up on purpose need not wait for long.
        _meter = new MeterClient(usage.Intercept(_line), new() { TokensPerReport = TokensPerChunkMax, PauseMin = TimeSpan.FromMilliseconds(10), PauseMax = TimeSpan.FromSeconds(2) });
        _meter.Disconnected += e => Volatile.Write(ref _lastBreak, $"its stream broke last at {TimeProvider.System.GetUtcNow():HH:mm:ss} UTC: {e.Status.StatusCode}, {e.Status.Detail}");
    }

    public RuntimeTally Tally
    {
        get
        {
            (_tally.Disconnects, _tally.Resent) = (_line.Disconnects, _line.FramesResent);
            return _tally;
        }
    }

    /// <summary>Serves all conversations; returns when every token of every generation is acknowledged.</summary>
    /// <param name="served">Told of each conversation as it ends.</param>
    public async Task ServeAsync(IEnumerable<PlannedConversation> conversations, Action served, CancellationToken ct)
    {
        using var givenUp = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var serving = Parallel.ForEachAsync(conversations, new ParallelOptions { MaxDegreeOfParallelism = _atOnce, CancellationToken = givenUp.Token }, async (conversation, token) =>
        {
            lock (_tally) _tally.Conversations++;
            foreach (var turn in conversation.Turns)
                if (!await AnswerAsync(conversation, turn, token)) break;
            served();
        });
        // A meter that owes an answer and says nothing is a fault worth a loud end, not a reason to wait for ever.
        for (var before = -1; await Task.WhenAny(serving, Task.Delay(SilenceMax, ct)) != serving && !ct.IsCancellationRequested;)
        {
            int now;
            lock (_tally) now = _tally.Acknowledged.Count + _tally.Denied;
            if (now == before)
            {
                var waiting = _meter.Active;
                await givenUp.CancelAsync();
                throw new UserException($"the meter has acknowledged nothing for {SilenceMax.TotalSeconds:0} s while {waiting.Count} generations wait, among them {waiting.FirstOrDefault()}; {Volatile.Read(ref _lastBreak)}");
            }
            before = now;
        }
        await serving;
    }

    /// <returns>false if the conversation's cap is used up</returns>
    private async Task<bool> AnswerAsync(PlannedConversation conversation, ObservedConversation turn, CancellationToken ct)
    {
        // The id is minted once, before the first attempt: a retry meets its original.
        var request = new GenerationRequest
        {
            Id = Ids.New(Ids.Generation, _businessNow()), Subscription = conversation.SubscriptionId, Conversation = conversation.Name, Model = Model, Prompt = new(turn.ContextTokens),
        };
        Begin();
        Generation generation;
        try
        {
            generation = await _meter.StartAsync(request, ct);
        }
        catch (GenerationDeniedException denied) when (denied.Reason == "cap_reached")
        {
            // The turn before used it up: the service says so, and the conversation is over.
            lock (_tally) _tally.Denied++;
            return false;
        }
        catch (GenerationDeniedException denied)
        {
            throw new UserException($"usage denied {request.Id} of {request.Subscription}: {denied.Message}");
        }
        while (generation.Generated < turn.GeneratedTokens && await generation.RoomAsync(ct) > 0)
            generation.Count(Math.Min(TokensPerChunkMax, turn.GeneratedTokens - generation.Generated));
        await generation.FinishAsync(ct: ct);
        lock (_tally)
        {
            _tally.GeneratedTokens += generation.Generated;
            _tally.Acknowledged.Add(generation.Id, generation.Generated);
        }
        return generation.Generated == turn.GeneratedTokens;
    }

    private void Begin()
    {
        bool breaks;
        lock (_tally) breaks = _line.Disconnects < ++_tally.Generations / GenerationsPerDisconnect;
        if (breaks) _line.Break();
    }

    public ValueTask DisposeAsync() => _meter.DisposeAsync();
}
