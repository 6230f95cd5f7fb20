using Contracts.Usage.V1;
using Grpc.Net.Client;

namespace EndToEnd.Tests;

/// <summary>The runtime that the README shows; a test keeps the two the same, another one runs it.</summary>
public static class RuntimeExample
{
    /// <param name="generateToken">the model: false when its answer is complete</param>
    /// <returns>how many tokens were generated</returns>
    public static async Task<long> RunAsync(Uri usage, string subscription, DateTimeOffset now, Func<bool> generateToken)
    {
        // README: connect a runtime
        using var channel = GrpcChannel.ForAddress(usage);
        using var call = new TokenMeter.TokenMeterClient(channel).Meter();
        Task Send(RuntimeFrame frame) => call.RequestStream.WriteAsync(new MeterRequest { Frames = { frame } });

        var id = $"gen_{Guid.CreateVersion7(now):n}";   // minted once, kept over every retry
        long generated = 0, sequence = 0;
        var (ended, settled) = (false, false);
        await Send(new() { Start = new() { GenerationId = id, SubscriptionId = subscription, Conversation = "chat-1", Model = "aligned-1", Prompt = new() { Input = 42 } } });
        while (!settled && await call.ResponseStream.MoveNext(default))
            foreach (var answer in call.ResponseStream.Current.Frames)
            {
                if (answer.Deny is { } deny) throw new InvalidOperationException($"{deny.Reason}: {deny.Detail}");
                settled |= answer.Ack is { Finished: true };
                if (answer.Grant is not { } grant || ended) continue;
                var more = true;
                while (generated < grant.TokensAllowed && (more = generateToken()))   // never a token without a grant
                    if (++generated % 32 == 0) await Send(new() { Chunk = new() { GenerationId = id, Sequence = ++sequence, Tokens = new() { Output = generated } } });
                ended = !more || (grant.Final && generated >= grant.TokensAllowed);
                if (ended) await Send(new() { Finish = new() { GenerationId = id, Sequence = ++sequence, Reason = more ? FinishReason.Cap : FinishReason.Stop, Totals = new() { Output = generated } } });
            }
        // end
        return generated;
    }
}
