using Contracts.Usage.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Hosting;

namespace EndToEnd.Tests;

public sealed class When_a_runtime_connects
{
    [Fact]
    public async Task The_program_of_the_README_generates_up_to_its_cap_and_not_one_token_further()
    {
        // As it is deployed: on the real clock.
        await using var company = await Company.OpenAsync([], ("Clock:Mode", "Real"));
        await company.PublishMenuAsync();
        var subscription = Assert.Single(await company.SubscribeAsync(1));
        var cap = company.CapOf(subscription.SubscriptionId, [subscription]);
        var model = new CountingModel();

        // Nobody is asked for a key here; where somebody is, see When_keys_are_asked_for.
        await MeterAsync(company.Address(Company.Usage), AccessKey.NewText(), subscription.SubscriptionId, model.Generate(tokens: (int)cap + 100));

        Assert.Equal(cap, model.Generated);
        var books = await Books.ReadAsync(company.Deployment.Ledger);
        Assert.Equal((12, cap, 0), (books.Rows.Sum(r => r.Tokens.Input), books.Rows.Sum(r => r.Tokens.Output), books.Rows.Sum(r => r.OverrunTokens)));
        Assert.Equal(cap, (await company.Deployment.Ledger.GetBalanceAsync(new() { SubscriptionId = subscription.SubscriptionId, Conversation = "chat-1" }))
            .Windows.Single(w => w.Window == "conversation").UsedTokens);

        // An answer that ends before the cap is metered as long as it is.
        await MeterAsync(company.Address(Company.Usage), AccessKey.NewText(), (await company.SubscribeAsync(2))[1].SubscriptionId, new CountingModel().Generate(tokens: 45));
        Assert.Equal(cap + 45, (await Books.ReadAsync(company.Deployment.Ledger)).Rows.Sum(r => r.Tokens.Output));
    }

    internal static async Task MeterAsync(Uri usage, string key, string subscription, IEnumerable<string> model)
    {
        // README: connect a runtime
        using var channel = GrpcChannel.ForAddress(usage);                      // http://127.0.0.1:8181
        using var call = new TokenMeter.TokenMeterClient(channel).Meter(new Metadata { { "authorization", $"Bearer {key}" } });
        var id = $"gen_{Guid.CreateVersion7():n}";                              // minted once, kept over every retry
        (long allowed, long generated, long sequence, bool final, bool finished) = (0, 0, 0, false, false);

        await Send(new() { Start = new() { GenerationId = id, SubscriptionId = subscription, Conversation = "chat-1", Model = "my-model", Prompt = new() { Input = 12 } } });
        using var tokens = model.GetEnumerator();
        while (await Granted() && tokens.MoveNext())                            // first the grant, then the token
            if (++generated % 32 == 0 || generated == allowed)
                await Send(new() { Chunk = new() { GenerationId = id, Sequence = ++sequence, Tokens = new() { Output = generated } } });
        var reason = generated == allowed && final ? FinishReason.Cap : FinishReason.Stop;
        await Send(new() { Finish = new() { GenerationId = id, Sequence = ++sequence, Reason = reason, Totals = new() { Output = generated } } });
        while (!finished) await Hear();                                         // acknowledged: it will be billed exactly once

        Task Send(RuntimeFrame frame) => call.RequestStream.WriteAsync(new() { Frames = { frame } });
        async Task<bool> Granted() { while (generated == allowed && !final) await Hear(); return generated < allowed; }
        async Task Hear()
        {
            if (!await call.ResponseStream.MoveNext(default)) throw new IOException("the stream ended: open another, send Start and all that is not acknowledged");
            foreach (var frame in call.ResponseStream.Current.Frames)
                if (frame.Grant is { } grant) (allowed, final) = (Math.Max(allowed, grant.TokensAllowed), final || grant.Final);
                else if (frame.Stop is not null) (allowed, final) = (generated, true);
                else if (frame.Ack is { } ack) finished = ack.Finished;
                else throw new InvalidOperationException($"{frame}");           // Deny or Rejection: contracts/README.md says what to do
        }
        // end
    }

    /// <summary>A model that knows how many tokens it was made to generate.</summary>
    private sealed class CountingModel
    {
        public long Generated { get; private set; }

        public IEnumerable<string> Generate(int tokens)
        {
            for (var token = 0; token < tokens; token++)
            {
                Generated++;
                yield return $"token {token}";
            }
        }
    }
}
