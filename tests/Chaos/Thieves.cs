using System.Collections.Concurrent;
using Contracts.Billing.V1;
using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace Chaos;

/// <summary>Runtimes that generate beyond what they are granted, and say so: through the protocol itself, for our own client would cut them off. They have subscriptions of their own.</summary>
public sealed class Thieves(Company company, IReadOnlyList<Subscription> subscriptions, string name, IReadOnlyList<Uri> grpc) : IAsyncDisposable
{
    private const int ExtraMax = 40, AtOnce = 2;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(50), Patience = TimeSpan.FromSeconds(5);

    private readonly GrpcChannel _channel = Company.ConnectToAny(grpc);
    private readonly CancellationTokenSource _enough = new();
    private Task _running = Task.CompletedTask;

    /// <summary>All that was generated, by generations that are acknowledged to their end.</summary>
    public ConcurrentDictionary<string, long> Stolen { get; } = new();

    public void Start(int seed) => _running = Task.WhenAll(Enumerable.Range(0, AtOnce).Select(n => Task.Run(() => StealAsync(new(seed + n)))));

    public async Task FinishAsync()
    {
        await _enough.CancelAsync();
        await Eventually.True(() => _running.IsCompleted, "every thief is acknowledged", TimeSpan.FromMinutes(2));
        await _running;
    }

    private async Task StealAsync(Random random)
    {
        var meter = new TokenMeter.TokenMeterClient(_channel);
        using var pace = new PeriodicTimer(Pace);
        while (!_enough.IsCancellationRequested)
        {
            var start = new Start
            {
                GenerationId = RuntimeClient.GenerationId.New(company.Now), SubscriptionId = subscriptions[random.Next(subscriptions.Count)].SubscriptionId, Conversation = $"{name} {random.Next(4)}",
                Model = "aligned-1", Prompt = new() { Input = ChaosLoad.PromptTokens }, Asker = 1 + (ulong)random.NextInt64(),
            };
            var first = await AnsweredAsync(() => Again(meter, start), pace);
            if (first.Grant is null) continue; // its cap is reached
            start.Resumed = true;
            var total = first.Grant.TokensAllowed + random.Next(1, ExtraMax);
            var finish = new Finish { GenerationId = start.GenerationId, Sequence = 1, Reason = Contracts.Usage.V1.FinishReason.Stop, Totals = new() { Output = total } };
            while (!await SettledAsync(meter, finish)) await AnsweredAsync(() => Again(meter, start), pace);
            Stolen[start.GenerationId] = total;
        }
    }

    private static AsyncUnaryCall<AuthorizeResponse> Again(TokenMeter.TokenMeterClient meter, Start start)
    {
        start.Attempt++;
        return meter.AuthorizeAsync(new() { Start = start }, deadline: TimeProvider.System.GetUtcNow().UtcDateTime + Patience);
    }

    private static async Task<AuthorizeResponse> AnsweredAsync(Func<AsyncUnaryCall<AuthorizeResponse>> call, PeriodicTimer pace)
    {
        while (true)
        {
            await pace.WaitForNextTickAsync();
            try
            {
                var answer = await call();
                if (answer.Deny is not { Reason: not ("cap_reached" or "generation_finished") }) return answer;
            }
            catch (RpcException)
            {
                // Whoever was asked was killed: somebody else, the same.
            }
        }
    }

    /// <returns>false if nobody knows: say the Start again, and this after it</returns>
    private static async Task<bool> SettledAsync(TokenMeter.TokenMeterClient meter, Finish finish)
    {
        try
        {
            await meter.SettleAsync(new() { Finish = finish }, deadline: TimeProvider.System.GetUtcNow().UtcDateTime + Patience);
            return true;
        }
        catch (RpcException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _enough.CancelAsync();
        _channel.Dispose();
        _enough.Dispose();
    }
}
