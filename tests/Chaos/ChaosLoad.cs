using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using Contracts.Billing.V1;
using Grpc.Net.Client;
using RuntimeClient;

namespace Chaos;

/// <summary>
/// Runtimes that talk through our own client to whichever instance answers, and producers that import events, each until it is answered. All of
/// them remember what was acknowledged to them: that is what the books must say.
/// </summary>
public sealed class ChaosLoad : IAsyncDisposable
{
    public const int PromptTokens = 5;
    private const int Runtimes = 3, TalksPerRuntime = 6, Producers = 2, ConversationsPerSubscription = 30, CrowdOneIn = 5, TalksPerCrowd = 300, HoldMax = 64, TokensMax = 120, TokensAtOnceMax = 4, PatienceMsMax = 30;
    // A model takes time, and so does a gateway between its calls.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10), EventPace = TimeSpan.FromMilliseconds(40), PostPatience = TimeSpan.FromSeconds(20);

    private readonly Company _company;
    private readonly MeterClient[] _meters;
    private readonly GrpcChannel[] _channels;
    private readonly Uri[] _http;
    private readonly HttpClient _poster = new() { Timeout = PostPatience };
    private readonly CancellationTokenSource _enough = new();
    private readonly string[] _subscriptions;
    private readonly string _name;
    private Task _running = Task.CompletedTask;
    private readonly Lock _gate = new();
    private long _acknowledged, _denied, _heard = Stopwatch.GetTimestamp();

    /// <param name="name">unlike that of any other load of this company</param>
    /// <param name="http">of every instance of usage</param>
    public ChaosLoad(Company company, IEnumerable<Subscription> subscriptions, string name, IReadOnlyList<Uri> grpc, IReadOnlyList<Uri> http)
    {
        (_company, _name, _subscriptions, _http) = (company, name, [.. subscriptions.Select(s => s.SubscriptionId)], [.. http]);
        _channels = [.. Enumerable.Range(0, Runtimes).Select(_ => Company.ConnectToAny(grpc))];
        var hasty = new MeterOptions { RetransmitAfter = TimeSpan.FromSeconds(1), SilenceMax = TimeSpan.FromSeconds(5), PauseMax = TimeSpan.FromMilliseconds(500) };
        _meters = [.. _channels.Select(channel => new MeterClient(channel.CreateCallInvoker(), hasty))];
    }

    /// <summary>Each generation that was acknowledged to its end.</summary>
    public ConcurrentDictionary<string, Talk> Generated { get; } = new();

    /// <summary>Starts that nobody waited for in the end: whether they were granted is known to nobody, but no token was generated.</summary>
    public ConcurrentDictionary<string, Talk> Forsaken { get; } = new();

    /// <summary>Tokens of each event that was answered, by the conversation that it named.</summary>
    public ConcurrentDictionary<string, long> Imported { get; } = new();

    /// <summary>Generations and events, so far.</summary>
    public long Acknowledged => Volatile.Read(ref _acknowledged);
    public long Denied => Volatile.Read(ref _denied);

    /// <summary>The longest time in which nothing was acknowledged to anybody, so far.</summary>
    public TimeSpan LongestSilence { get; private set; }

    /// <summary>How long nothing has been acknowledged now.</summary>
    public TimeSpan Silence
    {
        get { lock (_gate) return Stopwatch.GetElapsedTime(_heard); }
    }

    /// <summary>The generations that wait for something, for a message.</summary>
    public string Waiting => string.Join('\n', _meters.SelectMany(m => m.Active));

    public void Start(int seed)
    {
        _heard = Stopwatch.GetTimestamp();
        _running = Task.WhenAll([
            .. Enumerable.Range(0, Runtimes * TalksPerRuntime).Select(n => Task.Run(() => TalkAsync(_meters[n % Runtimes], new Random(seed + n)))),
            .. Enumerable.Range(0, Producers).Select(n => Task.Run(() => ProduceAsync(n, new Random(seed - 1 - n)))),
        ]);
    }

    /// <summary>Throws what went wrong with the load itself: a generation that was refused, say.</summary>
    public void ThrowIfFaulted()
    {
        if (_running.IsFaulted) _running.GetAwaiter().GetResult();
    }

    /// <summary>Begins nothing more. Everybody must come to an end: a runtime or a producer that waits for ever is a fault as well.</summary>
    public async Task FinishAsync()
    {
        await _enough.CancelAsync();
        await Eventually.True(() => _running.IsCompleted && _meters.All(m => m.Active.Count == 0), "every generation and every event is acknowledged", TimeSpan.FromMinutes(2));
        await _running;
    }

    /// <summary>Starts and ends one generation without a token.</summary>
    /// <returns>false if it was denied for want of room</returns>
    public async Task<bool> MayStartAsync(string subscription)
    {
        try
        {
            var since = Stopwatch.GetTimestamp();
            await using var generation = await _meters[0].StartAsync(Request(subscription, "a last question"));
            await generation.FinishAsync();
            Generated[generation.Id] = Talk.Of(generation, since);
            return true;
        }
        catch (GenerationDeniedException e) when (e.Reason == "cap_reached")
        {
            return false;
        }
    }

    private async Task TalkAsync(MeterClient meter, Random random)
    {
        using var pace = new PeriodicTimer(Pace);
        while (!_enough.IsCancellationRequested)
        {
            await pace.WaitForNextTickAsync();
            // One in five crowds into one conversation after the other, whose cap is reached; half of all want some tokens held.
            var crowds = random.Next(CrowdOneIn) == 0;
            var request = Request(_subscriptions[crowds ? 0 : random.Next(_subscriptions.Length)], crowds ? $"{_name} crowd {Acknowledged / TalksPerCrowd}" : $"{_name} {random.Next(ConversationsPerSubscription)}")
                with { TokensWanted = random.Next(2) * random.Next(1, HoldMax) };
            var since = Stopwatch.GetTimestamp();
            // One in ten goes away before it is granted anything, and one in ten ends its answer in the middle.
            var (wanted, goesAway) = (random.Next(1, TokensMax), random.Next(10));
            using var patience = new CancellationTokenSource();
            if (goesAway == 0) patience.CancelAfter(random.Next(PatienceMsMax));
            Generation generation;
            try
            {
                generation = await meter.StartAsync(request, patience.Token);
            }
            catch (GenerationDeniedException e) when (e.Reason == "cap_reached")
            {
                Interlocked.Increment(ref _denied);
                continue;
            }
            catch (OperationCanceledException) when (patience.IsCancellationRequested)
            {
                Forsaken[request.Id] = new(request, 0, TimeSpan.Zero);
                continue;
            }
            while (generation.Generated < wanted && await generation.RoomAsync() > 0)
            {
                generation.Count(Math.Min(random.Next(1, TokensAtOnceMax + 1), wanted - generation.Generated));
                await pace.WaitForNextTickAsync();
            }
            await generation.FinishAsync(goesAway == 1 ? FinishReason.Abort : null);
            Generated[generation.Id] = Talk.Of(generation, since);
            Heard();
        }
    }

    private async Task ProduceAsync(int producer, Random random)
    {
        using var pace = new PeriodicTimer(EventPace);
        for (var n = 0; !_enough.IsCancellationRequested; n++)
        {
            await pace.WaitForNextTickAsync();
            // A few events of the batch before come again with the next one, as they do from a producer that is not sure.
            var batch = Enumerable.Range(Math.Max(0, n - 1), Math.Min(n + 1, 2)).Select(i => (Conversation: $"{_name} import {producer} {i}", Tokens: 1L + (i % 7), Subscription: _subscriptions[i % _subscriptions.Length])).ToArray();
            var body = JsonSerializer.Serialize(batch.Select(e => new
            {
                specversion = "1.0", type = "tokens", source = "chaos", id = e.Conversation, subject = e.Subscription,
                data = new { model = "aligned-1", conversation = e.Conversation, completion_tokens = e.Tokens },
            }));
            while (!await PostedAsync(_http[random.Next(_http.Length)], body)) await pace.WaitForNextTickAsync();
            foreach (var (conversation, tokens, _) in batch) Imported[conversation] = tokens;
            Heard();
        }
    }

    private async Task<bool> PostedAsync(Uri instance, string body)
    {
        try
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/cloudevents-batch+json");
            using var response = await _poster.PostAsync(new Uri(instance, "/api/v1/events"), content);
            if (response.StatusCode is HttpStatusCode.NoContent) return true;
            return response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests
                ? false
                : throw new InvalidOperationException($"an event was refused: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return false; // That instance was killed.
        }
    }

    private void Heard()
    {
        lock (_gate)
        {
            var silence = Stopwatch.GetElapsedTime(_heard);
            if (silence > LongestSilence) LongestSilence = silence;
            (_heard, _acknowledged) = (Stopwatch.GetTimestamp(), _acknowledged + 1);
        }
    }

    private GenerationRequest Request(string subscription, string conversation) => new()
    {
        Id = GenerationId.New(_company.Now), Subscription = subscription, Conversation = conversation, Model = "aligned-1", Prompt = new(Input: PromptTokens),
    };

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        foreach (var meter in _meters) await meter.DisposeAsync();
        foreach (var channel in _channels) channel.Dispose();
        _poster.Dispose();
        _enough.Dispose();
    }
}

/// <summary>A generation as its runtime knows it.</summary>
/// <param name="Took">from its start to its last acknowledgement: no token of it waited longer than that to be acknowledged</param>
public sealed record Talk(GenerationRequest Request, long Tokens, TimeSpan Took)
{
    public static Talk Of(Generation generation, long since) => new(generation.Request, generation.Generated, Stopwatch.GetElapsedTime(since));
}
